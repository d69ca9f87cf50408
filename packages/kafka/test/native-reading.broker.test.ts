import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { newName } from '../../../test/fixtures/records.js'
import { newReader, newSender, pack, type Sent } from './native-handles.js'

/** A topic with these records in its partition 0. */
async function newTopic (values: Array<Omit<Sent, 'topic'>>) {
  const topic = newName('read')
  const { native, acks } = await newSender({ 'message.max.bytes': 20_000_000, 'queue.buffering.max.kbytes': 1_000_000 })
  let sent = 0
  while (sent < values.length) {
    const next = values.slice(sent, sent + 1000)
    sent += native.send(pack(native, next.map(record => ({ topic, partition: 0, ...record }))))
  }
  await acks(values.length)
  return topic
}

test('a message has its topic, partition, offset, timestamp, key, value and headers', async () => {
  const before = Date.now()
  const topic = await newTopic([{ key: 'k', value: 'v', headers: [{ a: '1' }, { ü: '' }] }, { key: null, value: null }, { key: '', value: Buffer.alloc(0) }])
  const reader = await newReader()
  reader.handle.assign([{ topic, partition: 0, offset: 0 }])
  await reader.until(() => reader.messages.length === 3)
  const [first, second, third] = reader.messages
  expect(first).toMatchObject({ topic, partition: 0, offset: 0, key: Buffer.from('k'), value: Buffer.from('v'), headers: [{ a: Buffer.from('1') }, { ü: Buffer.alloc(0) }] })
  expect(first?.size).toBe(1 + 1 + (8 + 1 + 1) + (8 + 2))
  expect(first?.timestamp).toBeGreaterThan(before - 600_000)
  expect(second).toMatchObject({ offset: 1, key: null, value: null, headers: [] })
  expect(third).toMatchObject({ offset: 2, key: Buffer.alloc(0), value: Buffer.alloc(0), headers: [] })
})

test('an error stands where it came, between messages', async () => {
  const topic = await newTopic([{ value: 'a' }, { value: 'b' }])
  const reader = await newReader({ 'enable.partition.eof': true })
  reader.handle.assign([{ topic, partition: 0, offset: 0 }])
  await reader.until(() => reader.errors.length === 1)
  const batch = reader.batches.find(({ errors }) => errors.length > 0)
  expect(batch?.errors).toEqual([{ code: -191, text: expect.stringContaining('end of partition'), topic, partition: 0, offset: 2, before: batch?.messages.length }])
  expect(reader.messages.map(({ value }) => String(value))).toEqual(['a', 'b'])
})

// librdkafka's own batches would count the end as a message that was read (its issue 4844).
test('a partition that is paused at its end goes on with the very next message', async () => {
  const topic = await newTopic([{ value: 'a' }, { value: 'b' }])
  const sender = await newSender()
  const reader = await newReader({ 'enable.partition.eof': true })
  reader.handle.assign([{ topic, partition: 0, offset: 0 }])
  for (let count = 1; count <= 5; count++) {
    await reader.until(() => reader.errors.some(({ offset }) => offset === count + 1))
    expect(reader.handle.position([{ topic, partition: 0 }])).toMatchObject([{ offset: count + 1 }])
    reader.handle.pause([{ topic, partition: 0 }])
    sender.native.send(pack(sender.native, [{ topic, partition: 0, value: String(count) }]))
    await sender.acks(count)
    reader.handle.resume([{ topic, partition: 0 }])
    await reader.until(() => reader.messages.length === count + 2)
  }
  expect(reader.messages.map(({ value }) => String(value))).toEqual(['a', 'b', '1', '2', '3', '4', '5'])
})

test('a missing topic is an error, and other topics are read on', async () => {
  const reader = await newReader({ 'topic.metadata.refresh.interval.ms': 100 })
  reader.handle.subscribe([newName('missing')])
  await reader.until(() => reader.errors.length > 0)
  expect(reader.errors[0]).toMatchObject({ code: 3, text: expect.stringContaining('Unknown topic') })
})

test('a call is bounded by messages and by bytes, and says whether more is there', async () => {
  const values = Array.from({ length: 200 }, (_, index) => ({ value: Buffer.alloc(index < 100 ? 50_000 : 10, index) }))
  const topic = await newTopic(values)
  const reader = await newReader({ 'queued.min.messages': 1000, 'queued.max.messages.kbytes': 100_000 }, { count: 40, bytes: 1_000_000 })
  reader.handle.assign([{ topic, partition: 0, offset: 0 }])
  await reader.until(() => reader.messages.length === values.length)
  expect(reader.messages.map(({ value }) => value?.[0])).toEqual(values.map((_, index) => index))
  for (const { messages, isEmptied } of reader.batches) {
    expect(messages.length).toBeLessThanOrEqual(40)
    // The last one may go beyond it.
    expect(messages.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(1_050_000)
    if (messages.length === 40) expect(isEmptied).toBe(false)
  }
})

test('a wake-up comes when the queue becomes non-empty, and no other before it was read', async () => {
  const topic = await newTopic([])
  const sender = await newSender()
  const send = async (count: number) => {
    const before = sender.acknowledged.length
    sender.native.send(pack(sender.native, Array.from({ length: count }, () => ({ topic, partition: 0, value: 'x' }))))
    await sender.acks(before + count)
  }
  await send(1)
  const reader = await newReader({}, { isReading: false })
  reader.handle.assign([{ topic, partition: 0, offset: 1 }])
  // What assigning brings with it has woken, and is read.
  await reader.until(() => reader.wakes() > 0)
  const settle = async () => { for (let turn = 0; turn < 5; turn++) { await setImmediate(); while (!reader.native.read(10, 1000).isEmptied); } }
  await settle()
  for (let round = 0; round < 20; round++) {
    const before = reader.wakes()
    await send(1)
    await reader.until(() => reader.wakes() > before)
    await send(5)
    for (let turn = 0; turn < 5; turn++) await setImmediate()
    expect(reader.wakes()).toBe(before + 1)
    let count = 0
    while (count < 6) count += reader.native.read(10, 1000).messages.length
    expect(reader.native.read(10, 1000).isEmptied).toBe(true)
    await settle() // what came while it was read has woken, too
  }
})

test('a message keeps at most 16 KiB alive, or its own bytes', async () => {
  const values = Array.from({ length: 2000 }, (_, index) => ({ value: index % 500 === 250 ? Buffer.alloc(1_000_000) : Buffer.alloc(100), headers: [{ h: 'x' }] }))
  const topic = await newTopic(values)
  const reader = await newReader({ 'queued.max.messages.kbytes': 50_000 }, { count: 500, bytes: 8_000_000 })
  reader.handle.assign([{ topic, partition: 0, offset: 0 }])
  await reader.until(() => reader.messages.length === values.length)
  for (const { value, size } of reader.messages) expect(value?.buffer.byteLength).toBeLessThanOrEqual(Math.max(16 * 1024, size))
})

test('the memory of a message cannot be transferred away, since its neighbours lie there too', async () => {
  const topic = await newTopic([{ value: 'a' }, { value: 'b' }])
  const reader = await newReader()
  reader.handle.assign([{ topic, partition: 0, offset: 0 }])
  await reader.until(() => reader.messages.length === 2)
  const [first, second] = reader.messages
  try {
    structuredClone(first?.value, { transfer: [first?.value?.buffer as ArrayBuffer] })
  } catch {} // Node 20 copies it, a newer one refuses
  expect([first?.value, second?.value].map(String)).toEqual(['a', 'b'])
})

test('nothing is read after detach, and the handle ends', async () => {
  const topic = await newTopic([{ value: 'a' }])
  const reader = await newReader()
  reader.handle.assign([{ topic, partition: 0, offset: 0 }])
  await reader.until(() => reader.messages.length === 1)
  reader.native.detach()
  expect(() => reader.native.read(1, 1)).toThrow('the handle is not attached')
  await reader.end()
  expect(reader.handle.isConnected()).toBe(false)
})
