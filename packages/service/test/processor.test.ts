import Fastify from 'fastify'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Message } from '@pair/kafka'
import { encodeHeaders } from '../../kafka/dist/record.js'
import { userRegister, userRegisterExample as example } from '@pair/shared-topics'
import { permanent, transient, type Handle, type RetryPolicy } from '@pair/service'
import type { DeadLetter } from '../dist/messages/dead-letters.js'
import { MessageProcessor } from '../dist/messages/processor.js'
import { MessageMetrics } from '../dist/messages/metrics.js'

const log = Fastify().log
const refused = Object.assign(new Error('bad'), { severity: 'ERROR', code: '22021' })
const away = Object.assign(new Error('away'), { code: 'ECONNREFUSED' })

let steps: string[]
beforeEach(() => { steps = []; vi.useFakeTimers() })
afterEach(() => { vi.useRealTimers() })

function message (overrides: Partial<Omit<Message, 'value'>> & { value?: unknown } = {}): Message {
  const { value = example, ...rest } = overrides
  const bytes = value === null || Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value))
  return {
    topic: 'user_register',
    partition: 1,
    offset: 7,
    key: Buffer.from('k'),
    headers: [],
    timestamp: 5,
    release: () => { steps.push('release') },
    ...rest,
    value: bytes
  }
}

function pathOf (handle: Handle<typeof example.data>, sendDeadLetter = vi.fn(async (_letter: DeadLetter) => { steps.push('dead letter acknowledged') }), retry: RetryPolicy = {}) {
  const metrics = new MessageMetrics(new Registry(), 'profile-service').of(userRegister.name)
  const path = new MessageProcessor({ consumer: { topic: userRegister, handle, retry }, group: 'profile-service', sendDeadLetter, metrics, log })
  const take = (taken: Message) => path.listener(taken, () => steps.push('commit'))
  return { path, take, sendDeadLetter }
}

function deferred () {
  let resolve = () => {}
  const promise = new Promise<void>(_resolve => { resolve = _resolve })
  return { promise, resolve }
}

const handled = (event: { id: string }) => { steps.push(`handle ${event.id}`) }
const settle = async () => await vi.advanceTimersByTimeAsync(0)

describe('a message', () => {
  test('is committed after its effect is stored', async () => {
    const stored = deferred()
    const { take } = pathOf(async event => { handled(event); await stored.promise })
    take(message())
    await settle()
    expect(steps).toEqual([`handle ${example.id}`])
    stored.resolve()
    await settle()
    expect(steps).toEqual([`handle ${example.id}`, 'commit'])
  })

  test.each([
    ['that cannot be decoded', Buffer.from('rubbish'), 'not-decodable'],
    ['without a value', null, 'not-decodable'],
    ['that is not valid', { ...example, type: 'other' }, 'not-valid']
  ])('%s is dead-lettered without a try, and committed after the acknowledgement', async (_what, value, reason) => {
    const acknowledged = deferred()
    const { take, sendDeadLetter } = pathOf(async event => handled(event), vi.fn(async () => await acknowledged.promise))
    const taken = message({ value, key: Buffer.from('k'), headers: [{ kept: Buffer.from('yes') }, { 'dlq.reason': Buffer.from('old') }, { 'dlq.first.timestamp': Buffer.from('3') }, { binary: Buffer.from([0xff]) }, { nul: Buffer.from('a\0b') }, { 'n\0': Buffer.from('a') }] })
    take(taken)
    await settle()
    expect(steps).toEqual([])
    acknowledged.resolve()
    await settle()
    expect(steps).toEqual(['commit'])
    expect(sendDeadLetter).toHaveBeenCalledExactlyOnceWith({
      topic: 'user_register.dlq',
      key: taken.key,
      value: taken.value,
      headers: [
        { kept: 'yes' }, { 'dlq.reason': reason }, { 'dlq.error': expect.any(String) }, { 'dlq.attempts': '0' },
        { 'dlq.group': 'profile-service' }, { 'dlq.topic': 'user_register' }, { 'dlq.partition': '1' }, { 'dlq.offset': '7' }, { 'dlq.timestamp': '5' },
        { 'dlq.first.timestamp': '3' }, { 'dlq.headers.dropped': '3' }
      ]
    })
  })

  test('is named to its handler, as its dead letter names it', async () => {
    const handle = vi.fn<Handle<typeof example.data>>()
    const { take } = pathOf(handle)
    take(message({ key: Buffer.from('k') }))
    await settle()
    expect(handle.mock.lastCall?.[1].origin).toEqual({ topic: 'user_register', partition: 1, offset: 7, timestamp: 5, key: 'k' })
  })

  test('with a key that is not UTF-8 is dead-lettered with that key', async () => {
    const { take, sendDeadLetter } = pathOf(async event => handled(event))
    take(message({ key: Buffer.from([0xff, 0]) }))
    await settle()
    expect(sendDeadLetter).toHaveBeenCalledWith(expect.objectContaining({ key: Buffer.from([0xff, 0]) }))
    expect(steps).toEqual(['dead letter acknowledged', 'commit'])
  })

  test('that the database refuses is dead-lettered after one attempt', async () => {
    const handle = vi.fn(async () => { throw refused })
    const { take, sendDeadLetter } = pathOf(handle)
    take(message())
    await settle()
    expect(handle).toHaveBeenCalledTimes(1)
    expect(JSON.stringify(sendDeadLetter.mock.calls)).toContain('"dlq.reason":"refused"')
    expect(steps).toEqual(['dead letter acknowledged', 'commit'])
  })

  test('that fails for another reason is dead-lettered after 5 attempts', async () => {
    const handle = vi.fn(async () => { throw new Error('a mistake') })
    const { take, sendDeadLetter } = pathOf(handle)
    take(message())
    await vi.advanceTimersByTimeAsync(10_000)
    expect(handle).toHaveBeenCalledTimes(5)
    expect(JSON.stringify(sendDeadLetter.mock.calls)).toContain('"dlq.attempts":"5"')
    expect(steps).toEqual(['dead letter acknowledged', 'commit'])
  })

  test('is not given up while the database is away, and goes on when it is back', async () => {
    let isAway = true
    const { take, sendDeadLetter } = pathOf(async event => { if (isAway) throw away; handled(event) })
    take(message())
    await vi.advanceTimersByTimeAsync(60 * 60_000)
    expect(steps).toEqual([])
    isAway = false
    await vi.advanceTimersByTimeAsync(5000)
    expect(steps).toEqual([`handle ${example.id}`, 'commit'])
    expect(sendDeadLetter).not.toHaveBeenCalled()
  })

  test('whose handler calls the failure permanent is dead-lettered after one attempt, with what it says', async () => {
    const handle = vi.fn(async () => { throw permanent(new Error('no such address')) })
    const { take, sendDeadLetter } = pathOf(handle)
    take(message())
    await settle()
    expect(handle).toHaveBeenCalledTimes(1)
    const letters = JSON.stringify(sendDeadLetter.mock.calls)
    for (const header of ['"dlq.reason":"refused"', '"dlq.error":"no such address"', '"dlq.attempts":"1"']) expect(letters).toContain(header)
    expect(steps).toEqual(['dead letter acknowledged', 'commit'])
  })

  test.each([
    ['itself', () => transient(new Error('no SMTP server'))],
    ['in what it wraps', () => new Error('no mail', { cause: transient(new Error('no SMTP server')) })],
    ['of a permanent one', () => transient(new Error('mail', { cause: permanent(new Error('SMTP')) }))],
    ['that is no Error', () => transient({ status: 503 })]
  ])('whose handler calls the failure transient, %s, waits as long as it takes and is not dead-lettered', async (_what, error) => {
    let isAway = true
    const { take, sendDeadLetter } = pathOf(async event => { if (isAway) throw error(); handled(event) })
    take(message())
    await vi.advanceTimersByTimeAsync(60 * 60_000)
    expect(steps).toEqual([])
    isAway = false
    await vi.advanceTimersByTimeAsync(5000)
    expect(steps).toEqual([`handle ${example.id}`, 'commit'])
    expect(sendDeadLetter).not.toHaveBeenCalled()
  })

  test('is tried as often as its consumer says, and no wait is longer than that', async () => {
    const times: number[] = []
    const { take, sendDeadLetter } = pathOf(async () => { times.push(Date.now()); throw new Error('a mistake') }, undefined, { attempts: 8, maxDelayMs: 200 })
    take(message())
    await vi.advanceTimersByTimeAsync(7 * 200)
    expect(times).toHaveLength(8)
    expect(JSON.stringify(sendDeadLetter.mock.calls)).toContain('"dlq.attempts":"8"')
  })

  test.each([{ attempts: 0 }, { attempts: 1.5 }, { maxDelayMs: -1 }, { maxDelayMs: NaN }])('of a consumer with the retry policy %j is none: it ends the start', retry => {
    expect(() => pathOf(async () => {}, undefined, retry)).toThrow(/^retry\.(attempts|maxDelayMs) must be/)
  })

  test('that waits for a dependency is named in the log', async () => {
    const warn = vi.spyOn(log, 'warn')
    const { take } = pathOf(async () => { throw away })
    take(message())
    await settle()
    expect(warn).toHaveBeenCalledWith(expect.objectContaining({ topic: 'user_register', partition: 1, offset: 7, eventId: example.id, failures: 1 }), 'what the handler depends on: away, trying again')
  })

  test('stays uncommitted until its dead letter is acknowledged, however long that takes', async () => {
    let isAway = true
    const { take } = pathOf(async event => handled(event), vi.fn(async () => { if (isAway) throw away }))
    take(message({ value: null }))
    await vi.advanceTimersByTimeAsync(60 * 60_000)
    expect(steps).toEqual([])
    isAway = false
    await vi.advanceTimersByTimeAsync(5000)
    expect(steps).toEqual(['commit'])
  })
})

describe('a replay', () => {
  const replayFor = (groups: unknown) => [{ 'dlq.replay.groups': Buffer.from(typeof groups === 'string' ? groups : JSON.stringify(groups)) }]

  test.each([
    ['an event', example],
    ['what cannot be decoded', Buffer.from('rubbish')]
  ])('that is meant for other groups is committed and has no effect and no letter: %s', async (_what, value) => {
    const { take, sendDeadLetter } = pathOf(async event => handled(event))
    for (const groups of [['mailer'], [], ['mailer', 'profile']]) take(message({ value, headers: replayFor(groups) }))
    await settle()
    expect(steps).toEqual(['commit', 'commit', 'commit'])
    expect(sendDeadLetter).not.toHaveBeenCalled()
  })

  test.each([[['profile-service']], [['mailer', 'profile-service']], ['garbled'], [''], ['null'], ['"mailer"'], [[1]], [{ mailer: 1 }]])('is handled where its header has %j: this group, or what cannot be read', async groups => {
    const { take } = pathOf(async event => handled(event))
    take(message({ headers: replayFor(groups) }))
    await settle()
    expect(steps).toEqual([`handle ${example.id}`, 'commit'])
  })
})

describe('messages', () => {
  const event = (id: string, subject?: string) => ({ ...example, id, subject })

  test('of one key are handled one after the other, those of another key beside them', async () => {
    const first = deferred()
    const { take } = pathOf(async event => { handled(event); if (event.id === 'a1') await first.promise })
    take(message({ key: Buffer.from('a'), value: event('a1') }))
    take(message({ key: Buffer.from('a'), value: event('a2') }))
    take(message({ key: Buffer.from('b'), value: event('b1') }))
    await settle()
    expect(steps).toEqual(['handle a1', 'handle b1', 'commit'])
    first.resolve()
    await settle()
    expect(steps.slice(3)).toEqual(['commit', 'handle a2', 'commit'])
  })

  test('without a key are ordered by the subject of their event', async () => {
    const first = deferred()
    const { take } = pathOf(async event => { handled(event); if (event.id === 'a1') await first.promise })
    take(message({ key: null, value: event('a1', 'A') }))
    take(message({ key: null, value: event('a2', 'A') }))
    take(message({ key: null, value: event('b1', 'B') }))
    await settle()
    expect(steps).toEqual(['handle a1', 'handle b1', 'commit'])
  })
})

describe('when it is stopped', () => {
  test('what is being handled is finished and committed, what waits is released, what comes later too', async () => {
    const stored = deferred()
    const { path, take } = pathOf(async event => { handled(event); await stored.promise })
    take(message())
    take(message())
    await settle()
    const stopped = path.stop()
    stored.resolve()
    await stopped
    take(message({ value: null }))
    await settle()
    expect(steps).toEqual([`handle ${example.id}`, 'commit', 'release', 'release'])
  })

  test('waits between attempts are aborted and the message is released, never committed', async () => {
    const { path, take } = pathOf(async () => { throw away })
    take(message())
    await vi.advanceTimersByTimeAsync(20_000)
    await path.stop()
    expect(steps).toEqual(['release'])
  })
})

describe('a consumer', () => {
  const take = (isAway: { of: (id: string) => boolean }) => {
    const { path, take } = pathOf(async ({ id }) => { if (isAway.of(id)) throw transient(new Error('away')) })
    return { path, take: (id: string) => take(message({ key: Buffer.from(id), value: { ...example, id } })) }
  }

  test('is waiting 10 s after the first failure of what its handler depends on, until something succeeds', async () => {
    const isAway = { of: (_id: string) => true }
    const { path, take: put } = take(isAway)
    put('a')
    await vi.advanceTimersByTimeAsync(9000)
    put('b')
    expect(path.isWaiting).toBe(false)
    await vi.advanceTimersByTimeAsync(1000)
    expect(path.isWaiting).toBe(true)
    isAway.of = id => id === 'a'
    await vi.advanceTimersByTimeAsync(5000)
    expect(path.isWaiting).toBe(false)
  })

  test('of which other events succeed all the time is not', async () => {
    const { path, take: put } = take({ of: id => id === 'a' })
    put('a')
    for (let second = 0; second < 30; second++) {
      await vi.advanceTimersByTimeAsync(1000)
      put(`b${second}`)
      await settle()
      expect(path.isWaiting).toBe(false)
    }
  })
})

test.each([
  ['a mistake', () => new Error('given up')],
  ['a dependency', () => transient(new Error('given up'))]
])('what a handler gives up because the service ends, as if it were the fault of %s, is released, never dead-lettered, and warned of by nobody', async (_what, error) => {
  const warn = vi.spyOn(log, 'warn').mockClear()
  const { path, take, sendDeadLetter } = pathOf((_event, { signal }) => new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(error()))
  }), undefined, { attempts: 1 })
  take(message())
  await settle()
  await path.stop()
  expect(steps).toEqual(['release'])
  expect(sendDeadLetter).not.toHaveBeenCalled()
  expect(warn).not.toHaveBeenCalled()
})

test('a message that has been on its way for over 60 s is named', async () => {
  const { path, take } = pathOf(async () => { throw away })
  take(message())
  await vi.advanceTimersByTimeAsync(59_000)
  expect(path.inFlight.stuck).toBeUndefined()
  await vi.advanceTimersByTimeAsync(2000)
  expect(path.inFlight.stuck).toBe('user_register[1]@7')
  await path.stop()
})

test('no more messages are handled at once than the database has connections', async () => {
  const handle = vi.fn(async () => await new Promise<void>(() => {}))
  const { take } = pathOf(handle)
  for (let count = 0; count < 50; count++) take(message({ key: Buffer.from(`k${count}`) }))
  await settle()
  expect(handle).toHaveBeenCalledTimes(10)
})

test('any number of messages wait for the database at once, and Node warns of nothing', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const { path, take } = pathOf(async () => { throw away })
  for (let n = 0; n < 20; n++) take(message({ key: Buffer.from(`k${n}`) }))
  await settle()
  expect(warn).not.toHaveBeenCalled()
  warn.mockRestore()
  await path.stop()
})

test('the error in a dead letter quotes nothing of the message', async () => {
  const { take, sendDeadLetter } = pathOf(async () => {
    throw Object.assign(new Error('invalid input "secret"'), { severity: 'ERROR', code: '22P02', detail: 'secret' })
  })
  take(message())
  await settle()
  expect(JSON.stringify(sendDeadLetter.mock.calls)).toContain('22P02')
  expect(JSON.stringify(sendDeadLetter.mock.calls)).not.toContain('secret')
})

test('a dead letter that the broker refuses goes without its headers, then without its value, and the partition goes on', async () => {
  const letters: DeadLetter[] = []
  const { take } = pathOf(async () => {}, vi.fn(async (letter: DeadLetter) => {
    letters.push(letter)
    if (letter.value !== null) throw Object.assign(new Error('too large'), { code: 10, retriable: false })
  }))
  take(message({ value: Buffer.from('rubbish'), headers: [{ kept: Buffer.from('yes') }] }))
  await settle()
  expect(letters.map(({ value, headers }) => ({ value: value && String(value), own: headers?.some(header => 'kept' in header), cut: headers?.at(-1) }))).toEqual([
    { value: 'rubbish', own: true, cut: { 'dlq.timestamp': '5' } },
    { value: 'rubbish', own: false, cut: { 'dlq.cut': 'headers' } },
    { value: null, own: false, cut: { 'dlq.cut': 'value' } }
  ])
  expect(steps).toEqual(['commit'])
})

test.each([
  ['a NUL', new Error('a\0b'), 'a\ufffdb'],
  ['half a surrogate pair', new Error('a\ud800b'), 'a\ufffdb'],
  ['1 MB of text', new Error('€'.repeat(350_000)), '€'.repeat(333)],
  ['a message that is no text', Object.assign(new Error('x'), { message: { secret: 1 } }), 'Error'],
  ['itself as its cause', Object.assign(new Error('a'), { get cause () { return this } }), 'a'],
  ['nothing', null, 'a value that is not an Error was thrown']
])('an error with %s does not hold up its partition: the letter and the log say it in text that every header takes', async (_what, error, said) => {
  const warn = vi.spyOn(log, 'warn')
  // The client's own check of headers, which refuses what would not arrive as it is.
  const send = vi.fn(async ({ headers }: DeadLetter) => { encodeHeaders(headers) })
  const { take } = pathOf(async () => { throw error }, send)
  take(message())
  await vi.advanceTimersByTimeAsync(10_000)
  expect(steps).toEqual(['commit'])
  expect(send).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ headers: expect.arrayContaining([{ 'dlq.error': said }]) }))
  expect(warn).toHaveBeenLastCalledWith(expect.objectContaining({ why: said }), 'message dead-lettered')
})
