import { describe, expect, test } from 'vitest'
import { originalMessage, readDeadLetter } from '../dist/dead-letter.js'
import { failure, message, stored } from './cli.js'

const read = (record: Parameters<typeof readDeadLetter>[0]) => readDeadLetter(record, { topic: 'user_register' })

const bytes = (headers: Record<string, string>) => Object.entries(headers).map(([name, text]) => ({ [name]: Buffer.from(text) }))

test('what a service writes as a dead letter is read as one', () => {
  expect(read(stored())).toMatchObject({
    isLetter: true,
    id: '1:7',
    ...failure,
    group: 'mailer',
    cut: 'nothing',
    origin: { topic: 'user_register', partition: 2, offset: 41, time: 1_795_229_125_631 }
  })
  expect(read(stored(message({ timestamp: -1 }), { ...failure, error: '' }, 'value'))).toMatchObject({ isLetter: true, cut: 'value', error: '', origin: { time: -1 } })
})

test.each([
  ['text', {}],
  ['bytes', { key: Buffer.from([0, 255]), value: Buffer.from([255, 0, 1]) }],
  ['null', { key: null, value: null, headers: [] }],
  ['empty', { key: Buffer.alloc(0), value: Buffer.alloc(0) }],
  ['headers with one name', { headers: [{ a: Buffer.from('1') }, { a: Buffer.from('ü') }, { b: Buffer.alloc(0) }] }]
])('a replay has the key, the value and the headers of the message: %s', (_what, overrides) => {
  const first = { 'dlq.first.timestamp': '1795229125631' }
  const original = message(overrides)
  const letter = read(stored(original))
  if (!letter.isLetter) throw new Error(letter.why)
  const { topic, key, value, headers } = original
  expect(originalMessage(letter, undefined)).toEqual({ topic, key, value, headers: [...headers, first] })
  expect(originalMessage(letter, ['mailer', 'ü,"'])).toEqual({ topic, key, value, headers: [...headers, first, { 'dlq.replay.groups': '["mailer","ü,\\""]' }] })
})

test('when a message was first written survives any number of replays, and nobody can make it younger', () => {
  const firstTimeOf = (timestamp: number, headers: Record<string, string>) => {
    const letter = read(stored(message({ timestamp, headers: bytes(headers) })))
    if (!letter.isLetter) throw new Error(letter.why)
    const replayed = originalMessage(letter, undefined).headers ?? []
    const again = read(stored(message({ timestamp: timestamp + 500, headers: bytes(Object.assign({}, ...replayed)) })))
    expect(again).toMatchObject({ firstTime: letter.firstTime })
    return letter.firstTime
  }
  expect(firstTimeOf(5000, {})).toBe(5000)
  expect(firstTimeOf(5000, { 'dlq.first.timestamp': '3000' })).toBe(3000)
  expect(firstTimeOf(5000, { 'dlq.first.timestamp': '9000' })).toBe(5000)
  for (const garbled of ['', 'yesterday', '-1', '1e3', '9'.repeat(20)]) expect(firstTimeOf(5000, { 'dlq.first.timestamp': garbled })).toBe(5000)
})

describe('a record is no dead letter', () => {
  const all = Object.assign({}, ...stored().headers) as Record<string, Buffer>
  const without = (name: string) => Object.entries(all).filter(([other]) => other !== name).map(([name, value]) => ({ [name]: value }))

  test.each(['dlq.reason', 'dlq.error', 'dlq.attempts', 'dlq.topic', 'dlq.partition', 'dlq.offset', 'dlq.timestamp'])('without %s', name => {
    expect(read({ ...stored(), headers: without(name) })).toMatchObject({ isLetter: false, id: '1:7', why: `no header ${name}` })
  })

  test.each([['dlq.attempts', 'many'], ['dlq.topic', '../etc'], ['dlq.topic', ''], ['dlq.partition', '-1'], ['dlq.offset', '1.5'], ['dlq.timestamp', 'yesterday'], ['dlq.reason', '']])('with %s: "%s"', (name, text) => {
    expect(read({ ...stored(), headers: [...without(name), ...bytes({ [name]: text })] })).toMatchObject({ isLetter: false, why: `header ${name} is not what a dead letter has there` })
  })

  test('with a count of dropped headers that is none', () => {
    expect(read({ ...stored(), headers: [...stored().headers, ...bytes({ 'dlq.headers.dropped': 'two' })] })).toMatchObject({ isLetter: false })
  })

  test('with a cut that nobody knows', () => {
    expect(read({ ...stored(), headers: [...stored().headers, ...bytes({ 'dlq.cut': 'key' })] })).toMatchObject({ isLetter: false })
  })
})
