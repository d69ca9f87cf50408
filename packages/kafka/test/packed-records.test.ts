import { expect, test } from 'vitest'
import { PackedRecords } from '../dist/packed-records.js'
import { encodeHeaders } from '../dist/record.js'
import type { HeadersToSend } from '../dist/types.js'
import { InFlight, type Pending } from '../dist/in-flight.js'

/** The fields of what was added, and its bytes. */
const packed = (records: PackedRecords, fields: number, bytes: number) => ({ fields: [...records.fields.subarray(0, fields)], bytes: String(records.bytes.subarray(0, bytes)) })

test('a record is its fields, and its bytes in the same order', () => {
  const records = new PackedRecords()
  records.add(3, 7, { topic: 't', partition: 2, key: 'ü', value: Buffer.from('ab') }, encodeHeaders([{ h: 'x' }, { i: '' }]))
  records.add(0, 8, { topic: 't', key: null, value: { a: 1 } }, undefined)
  expect(records.count).toBe(2)
  expect(packed(records, 16, 14)).toEqual({ fields: [3, 2, 7, 2, 2, 2, 1, 1, 1, 0, 0, -1, 8, -1, 7, 0], bytes: 'üabhxi{"a":1}' })
})

test('both arrays grow with what is added, and large ones are given back', () => {
  const records = new PackedRecords()
  const value = 'x'.repeat(3_000_000)
  records.add(0, 0, { topic: 't', value: 'first' }, undefined)
  records.add(0, 1, { topic: 't', value }, encodeHeaders(Array.from({ length: 10_000 }, () => ({ h: 'x' }))))
  expect(String(records.bytes.subarray(0, 5 + value.length))).toBe(`first${value}`)
  expect(records.isFull).toBe(true)
  records.clear()
  expect(records.isFull).toBe(false)
  expect(records.bytes.length).toBeLessThanOrEqual(1024 * 1024)
})

test.each([
  ['a partition that is no number of one', { partition: 1.5 }], ['NaN', { partition: NaN }], ['a partition beyond 32 bits', { partition: 2 ** 32 }], ['a text', { partition: 'x' as never }],
  ['a value without a JSON form', { value: () => {} }], ['a circle', { value: (() => { const value: { own?: object } = {}; value.own = value; return value })() }], ['a BigInt', { value: 1n }]
])('%s is refused, and what was added before stays', (_what, wrong) => {
  const records = new PackedRecords()
  records.add(0, 0, { topic: 't', value: 'a' }, undefined)
  expect(() => records.add(0, 1, { topic: 't', key: 'beside it', ...wrong }, undefined)).toThrow(expect.objectContaining({ codeName: 'ERR__INVALID_ARG' }))
  records.add(0, 2, { topic: 't', value: 'c' }, undefined)
  expect(packed(records, 12, 2)).toEqual({ fields: [0, -1, 0, -1, 1, 0, 0, -1, 2, -1, 1, 0], bytes: 'ac' })
})

test.each([[undefined, -1], [null, -1], [-1, -1], [-5, -1], [0, 0], ['3', 3]])('partition %s is %i, as the binding takes it', (partition, expected) => {
  const records = new PackedRecords()
  records.add(0, 0, { topic: 't', partition: partition as number, value: 'a' }, undefined)
  expect(records.fields[1]).toBe(expected)
})

test('an id names one message at a time, and is used again when that one is taken', () => {
  const inFlight = new InFlight()
  const pending = (value: string): Pending => ({ message: { topic: 't', value }, resolve () {}, reject () {} })
  const [a, b, c, d] = [pending('a'), pending('b'), pending('c'), pending('d')]
  const ids = [a, b, c].map(one => inFlight.add(one))
  expect(inFlight.take(ids[1]!)).toBe(b)
  expect(inFlight.take(ids[1]!)).toBeUndefined()
  expect(inFlight.add(d)).toBe(ids[1])
  expect(inFlight.size).toBe(3)
  expect(inFlight.takeAll()).toEqual([a, d, c])
  expect(inFlight.size).toBe(0)
  for (const id of ids) expect(inFlight.take(id)).toBeUndefined()
})

test('a value that no broker takes is refused before it is copied', () => {
  const records = new PackedRecords()
  expect(() => records.add(0, 1, { topic: 't', value: Buffer.allocUnsafeSlow(1_000_000_001) }, undefined)).toThrow(expect.objectContaining({ codeName: 'ERR_MSG_SIZE_TOO_LARGE' }))
  expect(records.count).toBe(0)
})

test('headers are a plain object, a Map, or an array of these, in their order', () => {
  const expected = encodeHeaders([{ a: '1' }, { b: '2' }])
  expect(expected).toEqual({ lengths: [1, 1, 1, 1], bytes: Buffer.from('a1b2') })
  const forms = [{ a: '1', b: '2' }, new Map([['a', '1'], ['b', '2']]), [new Map([['a', '1']]), { b: Buffer.from('2') }], [Object.assign(Object.create(null), { a: '1', b: '2' })], new Map([[Buffer.from('a'), '1'], [Buffer.from('b'), '2']])]
  for (const headers of forms) expect(encodeHeaders(headers as HeadersToSend)).toEqual(expected)
  for (const none of [undefined, null, [], {}, new Map()]) expect(encodeHeaders(none as HeadersToSend)).toBeUndefined()
})

test.each([
  ['text', 'a=1'], ['a number', 5], ['a set', new Set(['a'])], ['a date', new Date(0)], ['an array of text', ['a']], ['pairs', [['a', '1']]],
  ['a value that is a number', { a: 1 }], ['a value that is null', { a: null }], ['bytes that are not text', { a: Buffer.from([255]) }], ['a name with NUL', { 'a\0': 'b' }]
])('headers that are %s are refused', (_what, headers) => {
  expect(() => encodeHeaders(headers as HeadersToSend)).toThrow(expect.objectContaining({ codeName: 'ERR__INVALID_ARG', message: expect.stringMatching(/^Headers are /) }))
})

test.each([
  ['an ArrayBuffer', Uint8Array.of(1, 2, 3).buffer], ['a DataView', new DataView(Uint8Array.of(9, 1, 2, 3).buffer, 1)], ['a view of another type', Uint16Array.of(0x0201, 3)], ['a SharedArrayBuffer', shared(1, 2, 3)]
])('%s is bytes', (_what, value) => {
  const records = new PackedRecords()
  records.add(0, 1, { topic: 't', key: value as ArrayBuffer, value }, undefined)
  const length = value.byteLength
  expect([...records.fields.subarray(3, 5)]).toEqual([length, length])
  expect([...records.bytes.subarray(0, 3)]).toEqual([1, 2, 3])
})

function shared (...bytes: number[]): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(bytes.length)
  new Uint8Array(buffer).set(bytes)
  return buffer
}
