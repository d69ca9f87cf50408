import Fastify from 'fastify'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Message, OutgoingMessage } from 'shared-kafka'
import { userRegister, userRegisterExample as example } from 'shared-topics'
import { MessagePath, type Handle } from '../dist/messages/path.js'
import { MessageMetrics } from '../dist/metrics/messages.js'

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

function pathOf (handle: Handle<typeof example.data>, sendDeadLetter = vi.fn(async (_letter: OutgoingMessage) => { steps.push('dead letter acknowledged') })) {
  const metrics = new MessageMetrics(new Registry(), 'profile-service').of(userRegister.name)
  const path = new MessagePath({ topic: userRegister, handle, group: 'profile-service', sendDeadLetter, metrics, log })
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
    const taken = message({ value, key: Buffer.from('k'), headers: [{ kept: Buffer.from('yes') }, { 'dlq.reason': Buffer.from('old') }, { binary: Buffer.from([0xff]) }, { nul: Buffer.from('a\0b') }, { 'n\0': Buffer.from('a') }] })
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
        { 'dlq.headers.dropped': '3' }
      ]
    })
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
  const letters: OutgoingMessage[] = []
  const { take } = pathOf(async () => {}, vi.fn(async (letter: OutgoingMessage) => {
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
