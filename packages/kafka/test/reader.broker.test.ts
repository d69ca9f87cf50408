import { setImmediate } from 'node:timers/promises'
import rdkafka from 'node-rdkafka'
import { Consumer, KafkaError, Producer, startBroker, TopicReader, type ClientState, type StoredMessage } from '@pair/kafka'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { newName } from '../../../test/fixtures/records.js'

function newReader (brokers = inject('kafkaBrokers')) {
  const reader = new TopicReader({ bootstrapBrokers: brokers.split(',') })
  onTestFinished(() => reader.close())
  return reader
}

function newProducer (brokers = inject('kafkaBrokers')) {
  const producer = new Producer({ bootstrapBrokers: brokers.split(',') })
  onTestFinished(() => producer.close())
  return producer
}

async function fill (topic: string, count: number, partition = 0) {
  const messages = Array.from({ length: count }, (_, index) => ({ topic, partition, value: String(index) }))
  return await newProducer().send({ messages })
}

async function all (records: AsyncIterable<StoredMessage>) {
  const found: StoredMessage[] = []
  for await (const record of records) found.push(record)
  return found
}

const failure = (promise: Promise<unknown>) => promise.then(() => undefined, (error: KafkaError) => error)
const offsets = (records: StoredMessage[]) => records.map(({ offset }) => offset)

test('a read hands out what the topic holds, one partition after the other, and ends', async () => {
  const topic = newName('read')
  await fill(topic, 2)
  const reader = newReader()
  const partitions = (await reader.topics()).get(topic) ?? 0
  for (let partition = 1; partition < partitions; partition++) await fill(topic, 2, partition)
  const found = await all(reader.read(topic))
  expect(found.map(({ partition, offset }) => `${partition}:${offset}`))
    .toEqual(Array.from({ length: partitions }, (_, partition) => [`${partition}:0`, `${partition}:1`]).flat())
  expect(found[0]).toMatchObject({ topic, key: null, value: Buffer.from('0'), headers: [] })
})

test('a read starts at an offset of one partition, and leaves out what is written meanwhile', async () => {
  const topic = newName('part')
  await fill(topic, 300)
  const seen: number[] = []
  for await (const { offset } of newReader().read(topic, { partition: 0, offset: 250 })) {
    if (seen.length === 0) await fill(topic, 10)
    seen.push(offset)
  }
  expect(seen).toEqual(Array.from({ length: 50 }, (_, index) => 250 + index))
})

test('a read beyond the end, and one of an empty partition, hand out nothing', async () => {
  const topic = newName('end')
  await fill(topic, 1)
  const reader = newReader()
  expect(await all(reader.read(topic, { partition: 0, offset: 1 }))).toEqual([])
  expect(await reader.bounds(topic, 0)).toEqual({ low: 0, high: 1 })
})

test('a read may be left early, and the next one starts where it is told', async () => {
  const topic = newName('early')
  await fill(topic, 5000)
  const reader = newReader()
  for (let round = 0; round < 3; round++) {
    const records = reader.read(topic, { partition: 0, offset: round })
    expect(await records.next()).toMatchObject({ value: { offset: round } })
    await records.return()
  }
  expect(offsets(await all(reader.read(topic, { partition: 0, offset: 4998 })))).toEqual([4998, 4999])
})

test('a second read beside the first is refused, not mixed with it', async () => {
  const topic = newName('twice')
  await fill(topic, 2)
  const reader = newReader()
  const first = reader.read(topic)
  await first.next()
  expect(await failure(reader.read(topic).next())).toMatchObject({ codeName: 'ERR__STATE' })
  expect(await first.next()).toMatchObject({ value: { offset: 1 } })
})

test('a read of a reader that is closed meanwhile is an error', async () => {
  const topic = newName('closed')
  await fill(topic, 2000)
  const reader = newReader()
  const records = reader.read(topic, { partition: 0, offset: 0 })
  await records.next()
  await reader.close()
  expect(await failure((async () => { for await (const { offset } of records) expect(offset).toBeLessThan(2000) })())).toMatchObject({ codeName: 'ERR__STATE' })
})

test('a read can be left at any moment of its reader\'s end', async () => {
  const topic = newName('leaving')
  await fill(topic, 2000)
  for (let turns = 0; turns < 12; turns++) {
    const reader = newReader()
    const records = reader.read(topic, { partition: 0, offset: 0 })
    await records.next()
    const closed = reader.close()
    for (let left = turns; left > 0; left--) await setImmediate()
    await records.return()
    await closed
  }
})

test('a topic or a partition that is not there is an error, and is not created', async () => {
  const topic = newName('missing')
  const reader = newReader()
  expect(await failure(reader.read(topic).next())).toMatchObject({ codeName: 'ERR_UNKNOWN_TOPIC_OR_PART', message: `There is no topic ${topic}` })
  expect((await reader.topics()).has(topic)).toBe(false)
  const there = newName('there')
  await fill(there, 1)
  expect(await failure(reader.bounds(there, 99))).toMatchObject({ codeName: expect.stringMatching(/^ERR_(_UNKNOWN_PARTITION|UNKNOWN_TOPIC_OR_PART)$/) })
})

test('a read takes nothing from a group, and does not disturb it', async () => {
  const topic = newName('live')
  await fill(topic, 5)
  const group = newName('group')
  const states: ClientState[] = []
  const consumer = new Consumer({ bootstrapBrokers: [inject('kafkaBrokers')], groupId: group, 'auto.offset.reset': 'earliest', onState: state => states.push(state) })
  onTestFinished(() => consumer.close())
  const stream = await consumer.consume({ topics: [topic] })
  await stream.next() // a member now
  const reader = new TopicReader({ bootstrapBrokers: [inject('kafkaBrokers')], groupId: group })
  onTestFinished(() => reader.close())
  expect(await all(reader.read(topic))).toHaveLength(5)
  await fill(topic, 1)
  for (let count = 2; count <= 6; count++) expect((await stream.next()).value).toMatchObject({ offset: count - 1 })
  expect(states.filter(({ type }) => type === 'assigned')).toHaveLength(1)
})

test('a broker that is not there is an error after 10 s', async () => {
  const reader = newReader('127.0.0.1:1')
  const started = performance.now()
  const error = await failure(reader.topics())
  expect(error).toMatchObject({ name: 'KafkaError', codeName: expect.stringMatching(/^ERR__(TRANSPORT|TIMED_OUT|ALL_BROKERS_DOWN)$/) })
  expect(performance.now() - started).toBeLessThan(30_000)
})

test('a broker that goes away during a read is an error after 10 s, and not the end of the topic', async () => {
  const broker = await startBroker()
  onTestFinished(() => broker.close())
  const topic = newName('gone')
  const producer = newProducer(broker.brokers)
  // More than is fetched ahead.
  for (let batch = 0; batch < 20; batch++) {
    await producer.send({ messages: Array.from({ length: 10 }, () => ({ topic, partition: 0, value: Buffer.alloc(20_000, 1) })) })
  }
  const reader = new TopicReader({ bootstrapBrokers: [broker.brokers], 'queued.max.messages.kbytes': 100, 'fetch.message.max.bytes': 50_000 })
  onTestFinished(() => reader.close())
  let count = 0
  const error = await failure((async () => {
    for await (const { offset } of reader.read(topic)) {
      count++
      if (offset === 0) process.kill(broker.pid, 'SIGSTOP')
    }
  })())
  process.kill(broker.pid, 'SIGCONT')
  expect(count).toBeLessThan(200)
  expect(error).toMatchObject({ codeName: 'ERR__TIMED_OUT' })
})

test('50,000 records are handed out once each and in order', async () => {
  const topic = newName('many')
  const producer = newProducer()
  for (let batch = 0; batch < 10; batch++) await producer.send({ messages: Array.from({ length: 5000 }, () => ({ topic, partition: 0, value: 'x' })) })
  let next = 0
  let isInOrder = true
  for await (const { offset } of newReader().read(topic, { partition: 0, offset: 0 })) isInOrder &&= offset === next++
  expect({ next, isInOrder }).toEqual({ next: 50_000, isInOrder: true })
})

// On a real Kafka the last offset of a transaction holds its marker, which nobody is handed.
test('a read ends where the last offset holds no record', async () => {
  const topic = newName('marker')
  await fill(topic, 1)
  const writer = new rdkafka.Producer({ 'metadata.broker.list': inject('kafkaBrokers'), 'transactional.id': topic }, {})
  const told = (call: (done: (error: unknown) => void) => unknown) => new Promise<void>((resolve, reject) => call(error => error ? reject(error) : resolve()))
  await told(done => writer.connect({}, done))
  onTestFinished(() => new Promise<void>(resolve => writer.disconnect(() => resolve())))
  // A new Kafka has to make the topic of its transactions first.
  await vi.waitFor(() => told(done => writer.initTransactions(30_000, done)), 120_000)
  await told(done => writer.beginTransaction(done))
  writer.produce(topic, 0, Buffer.from('in a transaction'))
  await told(done => writer.commitTransaction(10_000, done))
  expect(offsets(await all(newReader().read(topic, { partition: 0, offset: 0 })))).toEqual([0, 1])
})
