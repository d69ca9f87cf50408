import rdkafka from 'node-rdkafka'
import { Producer, provisionTopics } from '@pair/kafka'
import { expect, inject, onTestFinished, test } from 'vitest'
import { newName, read } from '../../../test/fixtures/records.js'
import { connectAttachable } from '../dist/handle.js'
import { attachable } from '../dist/native.js'
import { functions, newReader, newSender, pack, rawHeaders, type Sent } from './native-handles.js'

/** As text, since buffers of a megabyte are compared byte by byte. */
const bytesOf = (value: unknown) => value === null || value === undefined ? null : (Buffer.isBuffer(value) ? value : Buffer.from(String(value))).toString('base64')

test('keys and values arrive byte for byte: null, empty, binary, large, and text of every kind of code point', async () => {
  const topic = newName('bytes')
  const { native, acks } = await newSender({ 'message.max.bytes': 2_000_000 })
  const all: Array<string | Buffer | null> = [
    null, '', Buffer.alloc(0), Buffer.from([0, 255, 0]), 'a', 'ü', '€', '😀', '\ud800', 'x\udfffy', '\0', Buffer.alloc(1_000_000, 7), 'ü'.repeat(500_000)
  ]
  const sent: Sent[] = all.map((key, index) => ({ topic, partition: 0, key: index < 11 ? key : 'k', value: all[index] }))
  expect(native.send(pack(native, sent))).toBe(sent.length)
  expect((await acks(sent.length)).map(({ code, partition }) => ({ code, partition }))).toEqual(sent.map(() => ({ code: 0, partition: 0 })))
  const found = await read(topic, sent.length)
  expect(found.map(({ key, value }) => ({ key: bytesOf(key), value: bytesOf(value) }))).toEqual(sent.map(({ key, value }) => ({ key: bytesOf(key), value: bytesOf(value) })))
})

test('headers arrive in their order: several, a name twice, empty, null, and binary ones', async () => {
  const topic = newName('headers')
  const { native, acks } = await newSender()
  const entries: Array<[Buffer, Buffer | null]> = [
    [Buffer.from('a'), Buffer.from('1')], [Buffer.from('a'), Buffer.from('2')], [Buffer.from('ü'), Buffer.from([0, 255])], [Buffer.from('n'), null], [Buffer.from('e'), Buffer.alloc(0)], [Buffer.alloc(0), Buffer.from('x')]
  ]
  native.send(pack(native, [{ topic, partition: 0, value: 'v', headers: rawHeaders(entries) }, { topic, partition: 0, value: 'w' }]))
  await acks(2)
  const reader = await newReader()
  reader.handle.assign([{ topic, partition: 0, offset: 0 }])
  await reader.until(() => reader.messages.length === 2)
  expect(reader.messages.map(({ headers }) => headers)).toEqual([entries.map(([name, value]) => ({ [String(name)]: value })), []])
})

test('each record is acknowledged once, with its partition and offset, in calls of several topics and partitions', async () => {
  const topics = [newName('one'), newName('two')]
  await provisionTopics({ 'metadata.broker.list': inject('kafkaBrokers') }, topics.map(name => ({ name, partitions: 4 })))
  const { native, acks } = await newSender()
  const sent: Sent[] = Array.from({ length: 900 }, (_, index) => ({
    topic: topics[index % 2]!, partition: (index >> 3) % 4, value: String(index), ...index % 5 === 0 && { headers: [{ h: 'x' }] }
  }))
  expect(native.send(pack(native, sent))).toBe(sent.length)
  const acknowledged = await acks(sent.length)
  expect(acknowledged.map(({ id }) => id).sort((a, b) => a - b)).toEqual(sent.map((_, index) => index))
  for (const topic of topics) {
    for (let partition = 0; partition < 4; partition++) {
      const offsets = acknowledged.filter(({ id }) => sent[id]?.topic === topic && sent[id]?.partition === partition).sort((a, b) => a.id - b.id).map(({ offset }) => offset)
      expect(offsets).toEqual(offsets.map((_, offset) => offset))
    }
  }
})

test('an immediate refusal is reported by the call only, and the other records are sent', async () => {
  const topic = newName('refused')
  const { native, acknowledged, acks } = await newSender()
  native.send(pack(native, [{ topic, partition: 0, value: 'known from here on' }]))
  await acks(1)
  for (const headers of [undefined, [{ h: 'x' }]]) {
    acknowledged.length = 0
    const records = pack(native, [
      { topic, partition: 0, value: 'a', headers }, { topic, partition: 99, value: 'no such partition', headers }, { topic, partition: 0, value: Buffer.alloc(1_500_000), headers }, { topic, partition: 0, value: 'b', headers }
    ].map(({ headers, ...record }) => ({ ...record, ...headers && { headers } })))
    expect(native.send(records)).toBe(4)
    expect([...records.errors.subarray(0, 4)]).toEqual([0, -190, 10, 0])
    // A record that is sent afterwards is acknowledged afterwards.
    native.send(pack(native, [0, 1, 2, 3, 4].map(() => ({ topic, partition: 0, value: 'last' }))))
    await acks(7)
    expect(acknowledged.slice(0, 2).map(({ id }) => id)).toEqual([0, 3])
    expect(acknowledged.map(({ code }) => code)).toEqual(Array(7).fill(0))
  }
})

test.for([['without headers', undefined], ['with headers', [{ h: 'x' }]]] as const)('a full queue takes a prefix, and no record passes one that did not fit, %s', async ([, headers]) => {
  const topic = newName('prefix')
  const { native, acks } = await newSender({ 'queue.buffering.max.kbytes': 100 })
  // A small one would find room where the large one before it did not.
  const sent: Sent[] = [60_000, 1, 60_000, 1, 1].map(size => ({ topic, partition: 0, value: Buffer.alloc(size), ...headers && { headers: [...headers] } }))
  const records = pack(native, sent)
  const taken = native.send(records)
  expect(taken).toBe(2)
  expect([...records.errors.subarray(0, taken)]).toEqual([0, 0])
  await acks(2)
  // librdkafka makes room after its acknowledgement.
  for (let from = taken; from < sent.length; from += native.send(pack(native, sent.slice(from)))) await new Promise(resolve => setImmediate(resolve))
  await acks(5)
  expect((await read(topic, 5)).map(({ value }) => value?.length)).toEqual([60_000, 1, 60_000, 1, 1])
})

test('records that do not match their fields, bytes or topics are refused as a whole', async () => {
  const topic = newName('broken')
  const { native, acks } = await newSender()
  const break_ = [
    (fields: Int32Array) => { fields[6] = 1 }, // no such topic
    (fields: Int32Array) => { fields[6 + 3] = 1_000_000 }, // a key beyond the bytes
    (fields: Int32Array) => { fields[6 + 3] = -2 },
    (fields: Int32Array) => { fields[6 + 4] = 2_000_000_000 },
    (fields: Int32Array) => { fields[6 + 5] = 1_000_000 }, // headers beyond the fields
    (fields: Int32Array) => { fields.set([1, -1, 0], 6 + 5) } // a header without a name
  ]
  for (const change of break_) {
    const records = pack(native, [{ topic, partition: 0, value: 'a' }, { topic, partition: 0, value: 'b' }])
    change(records.fields)
    expect(() => native.send(records)).toThrow('the records do not fit their fields, bytes or topics')
  }
  const records = pack(native, [{ topic, partition: 0, value: 'a' }])
  records.count = 1001
  expect(() => native.send(records)).toThrow('a count and an Int32Array of that length')
  native.send(pack(native, [{ topic, partition: 0, value: 'the only one' }]))
  expect(await acks(1)).toEqual([{ id: 0, code: 0, partition: 0, offset: 0 }])
})

test('a wrong argument throws, whatever it is', async () => {
  const { native } = await newSender()
  expect(() => native.topic('x'.repeat(513))).toThrow(expect.objectContaining({ codeName: 'ERR__INVALID_ARG' }))
  expect(() => native.topic('a\0b')).toThrow(expect.objectContaining({ codeName: 'ERR__INVALID_ARG' }))
  for (const name of ['detach', 'topic', 'send', 'acknowledgements', 'read']) {
    for (const handle of [undefined, null, {}, 7]) expect(() => functions()[name]!(handle)).toThrow('the handle is not attached')
  }
  const { name, properties } = attachable({ 'metadata.broker.list': '127.0.0.1:1' })
  const handle = new rdkafka.Producer(properties, {})
  await connectAttachable(handle, {}, global => new rdkafka.Producer(global, {}))
  const open = functions()['attach']!(name, handle, () => {})
  for (const wrong of [undefined, null, {}, 7, 'x', new Uint8Array(8), new Float64Array(8)]) {
    expect(() => functions()['send']!(open, wrong, new Int32Array(8), 1, new Int32Array(8))).toThrow(wrong instanceof Uint8Array ? 'do not fit' : 'send takes')
    expect(() => functions()['send']!(open, Buffer.alloc(8), wrong, 1, new Int32Array(8))).toThrow('send takes')
    expect(() => functions()['send']!(open, Buffer.alloc(8), new Int32Array(8), 1, wrong)).toThrow('send takes')
    expect(() => functions()['read']!(open, 1000, wrong)).toThrow('read takes')
  }
  functions()['detach']!(open)
  await new Promise<void>(resolve => { handle.disconnect(() => resolve()) })
  expect(() => functions()['attach']!('no such handle', {}, () => {})).toThrow('no handle of this name')
  expect(() => functions()['attach']!()).toThrow('name is no string')
})

test('reports that a user switches on do not crash the process when a record fails', async () => {
  const producer = new Producer({ bootstrapBrokers: ['127.0.0.1:1'], 'message.timeout.ms': 500, dr_cb: () => {}, dr_msg_cb: true, 'delivery.report.only.error': false })
  onTestFinished(() => producer.close())
  for (let count = 0; count < 3; count++) await expect(producer.send({ messages: [{ topic: 't', value: 'x' }] })).rejects.toMatchObject({ codeName: 'ERR__MSG_TIMED_OUT' })
})
