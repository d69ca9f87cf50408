import { PendingReplies } from '../dist/request-reply/pending-replies.js'
import { isReplyError, ReplyError } from '../dist/request-reply/errors.js'
import { faultOf } from '../dist/database/faults.js'
import { describe, expect, test, vi } from 'vitest'

const failure = (promise: Promise<unknown>) => promise.then(() => undefined, (error: Error) => error)

describe('an ask that waits', () => {
  test('is settled once, by the reply to its own correlation id', async () => {
    const pending = new PendingReplies<string>('t')
    const [one, other] = [pending.open(10_000), pending.open(10_000)]
    expect(one.correlationId).not.toBe(other.correlationId)
    pending.find(other.correlationId)?.resolve('other')
    pending.find(one.correlationId)?.resolve('one')
    one.resolve('again')
    one.reject(new Error('again'))
    expect(await Promise.all([one.reply, other.reply])).toEqual(['one', 'other'])
    expect(pending.size).toBe(0)
    expect(one.isSettled).toBe(true)
  })

  test('ends at its timeout with an error that is transient and a 504', async () => {
    const pending = new PendingReplies<string>('t')
    const error = await failure(pending.open(20).reply)
    expect(error).toMatchObject({ name: 'TimeoutError', code: 'ERR_ASK_TIMEOUT', statusCode: 504 })
    expect(faultOf(error)).toBe('transient')
    expect(pending.size).toBe(0)
  })

  test('ends with the reason of its signal, and holds no listener of it afterwards', async () => {
    const pending = new PendingReplies<string>('t')
    const abort = new AbortController()
    const remove = vi.spyOn(abort.signal, 'removeEventListener')
    const answered = pending.open(10_000, abort.signal)
    answered.resolve('x')
    expect(remove).toHaveBeenCalledOnce()
    const waiting = failure(pending.open(10_000, abort.signal).reply)
    abort.abort(new Error('gone'))
    expect(await waiting).toMatchObject({ message: 'gone' })
    expect(() => pending.open(10_000, abort.signal)).toThrow('gone')
    expect(pending.size).toBe(0)
  })

  test('is told from those of other instances, also when it waits no more', async () => {
    const [pending, others] = [new PendingReplies<string>('t'), new PendingReplies<string>('t')]
    const { correlationId, resolve } = pending.open(10_000)
    resolve('x')
    expect(pending.find(correlationId)).toBeUndefined()
    expect([pending.isOurs(correlationId), others.isOurs(correlationId), pending.isOurs('x')]).toEqual([true, false, false])
  })
})

test('10,000 asks may wait, and the next one is refused until one has ended', () => {
  const pending = new PendingReplies<string>('t')
  const asks = Array.from({ length: 10_000 }, () => pending.open(60_000))
  expect(() => pending.open(60_000)).toThrow(expect.objectContaining({ code: 'ERR_ASK_OVERLOAD', statusCode: 503 }))
  asks[0]?.resolve('x')
  pending.open(60_000).resolve('x')
  for (const { resolve } of asks) resolve('x')
  expect(pending.size).toBe(0)
})

test('once the service ends an ask has the time that is left, and none after that', async () => {
  const pending = new PendingReplies<string>('t')
  const before = failure(pending.open(60_000).reply)
  pending.closeWithin(50)
  const since = failure(pending.open(60_000).reply)
  const quick = pending.open(60_000)
  quick.resolve('in time')
  expect(await quick.reply).toBe('in time')
  expect([await before, await since]).toMatchObject([{ code: 'ERR_ASK_CLOSED' }, { code: 'ERR_ASK_CLOSED' }])
  expect(() => pending.open(60_000)).toThrow(expect.objectContaining({ code: 'ERR_ASK_CLOSED' }))
  expect(pending.size).toBe(0)
})

test('a ReplyError is known by its name, whatever copy of the package has made it', () => {
  expect(isReplyError(new ReplyError('X', 'y'))).toBe(true)
  expect(isReplyError(Object.assign(new Error('y'), { name: 'ReplyError', code: 'X' }))).toBe(true)
  expect([isReplyError(new Error('y')), isReplyError({ name: 'ReplyError', code: 'X' })]).toEqual([false, false])
})
