import { setImmediate } from 'node:timers/promises'
import rdkafka from 'node-rdkafka'
import { KafkaError, Producer, provisionTopics, startBroker, type ClientOptions, type ClientState, type Delivery } from '@pair/kafka'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { startKafkaProxy } from '../../../test/fixtures/kafka-proxy.js'
import { pauseProcess } from '../../../test/fixtures/pause-process.js'
import { newName, read } from '../../../test/fixtures/records.js'

function newProducer (options: ClientOptions = {}) {
  const states: ClientState[] = []
  const producer = new Producer({ bootstrapBrokers: [inject('kafkaBrokers')], onState: state => states.push(state), ...options })
  onTestFinished(() => producer.close())
  return { producer, states, has: (type: ClientState['type']) => vi.waitFor(() => expect(states).toContainEqual(expect.objectContaining({ type })), 60_000) }
}

async function newBroker () {
  const broker = await startBroker()
  onTestFinished(() => broker.close())
  return broker
}

const noopLogger = { debug () {}, info () {}, warn () {}, error () {} }

const failure = (promise: Promise<unknown>) => promise.then(() => undefined, (error: KafkaError) => error)

test('send resolves with the partition and offset of each record, after the broker acknowledged it', async () => {
  const topic = newName('acked')
  const { producer } = newProducer()
  expect(await producer.send({ messages: [{ topic, value: 'a', partition: 0 }] })).toEqual([{ topic, partition: 0, offset: 0 }])
  expect(await producer.send({ messages: [{ topic, value: 'b', partition: 0 }, { topic, value: 'c', partition: 0 }] }))
    .toEqual([{ topic, partition: 0, offset: 1 }, { topic, partition: 0, offset: 2 }])
})

test('keys, values, null, empty, headers and buffers arrive as they were', async () => {
  const topic = newName('faithful')
  const { producer } = newProducer({ headers: [{ 'content-type': 'text/plain' }] })
  const bytes = Buffer.from([0, 255, 1, 128])
  const sent: Array<{ key: Buffer | string | null, value: Buffer | string | null }> = [
    { key: 'k', value: 'ü' }, { key: bytes, value: bytes }, { key: null, value: null }, { key: '', value: '' }, { key: Buffer.alloc(0), value: Buffer.alloc(0) }
  ]
  for (const record of sent) await producer.send({ messages: [{ topic, partition: 0, ...record, headers: [{ a: '1' }, { a: '2' }] }] })
  const found = await read(topic, sent.length)
  const toBuffer = (value: Buffer | string | null) => value === null ? null : Buffer.from(value)
  expect(found.map(({ key, value }) => ({ key, value }))).toEqual(sent.map(({ key, value }) => ({ key: toBuffer(key), value: toBuffer(value) })))
  expect(found[0]?.headers).toEqual([{ 'content-type': Buffer.from('text/plain') }, { a: Buffer.from('1') }, { a: Buffer.from('2') }])
})

test('a header that is not text is refused', async () => {
  const { producer } = newProducer()
  for (const value of [Buffer.from([255]), 'a\0b']) {
    const error = await failure(producer.send({ messages: [{ topic: newName('t'), value: 'x', headers: [{ h: value as string }] }] }))
    expect(error).toMatchObject({ codeName: 'ERR__INVALID_ARG', retriable: false })
  }
})

test('a record that the broker refuses does not fail the others of its request permanently', async ({ skip }) => {
  skip(inject('brokerKind') === 'embedded', 'the embedded broker takes any record')
  const topic = newName('compacted')
  await provisionTopics({ bootstrapBrokers: [inject('kafkaBrokers')] }, [{ name: topic, partitions: 1, config: { 'cleanup.policy': 'compact' } }])
  const { producer } = newProducer()
  const keys = [...Array(50).keys()].map(key => key === 7 ? null : String(key))
  const ends = await Promise.all(keys.map(key => failure(producer.send({ messages: [{ topic, key, value: 'x' }] }))))
  expect(ends[7]).toMatchObject({ codeName: 'ERR_INVALID_RECORD', retriable: false })
  const others = ends.filter((error, index) => index !== 7 && error !== undefined)
  expect(others.length).toBeGreaterThan(0) // one at least has gone with it
  for (const error of others) expect(error).toMatchObject({ codeName: 'ERR__INVALID_DIFFERENT_RECORD', retriable: true })
})

test('a timestamp that the broker refuses is no reason to give the record up: the next attempt has another one', async ({ skip }) => {
  skip(inject('brokerKind') === 'embedded', 'the embedded broker takes any timestamp')
  const topic = newName('timestamp')
  // Whatever comes was made before it is judged.
  const config = { 'message.timestamp.type': 'CreateTime', 'message.timestamp.before.max.ms': '0' }
  await provisionTopics({ 'metadata.broker.list': inject('kafkaBrokers') }, [{ name: topic, partitions: 1, config }])
  const error = await failure(newProducer({ 'linger.ms': 20 }).producer.send({ messages: [{ topic, value: 'x' }] }))
  expect(error).toMatchObject({ codeName: 'ERR_INVALID_TIMESTAMP', retriable: true })
})

test('a record over message.max.bytes is refused for good, and the ones beside it are sent', async () => {
  const topic = newName('large')
  const { producer } = newProducer()
  const [large, small] = await Promise.all([
    failure(producer.send({ messages: [{ topic, value: Buffer.alloc(2_000_000) }] })),
    producer.send({ messages: [{ topic, value: 'small' }] })
  ])
  expect(large).toMatchObject({ code: 10, codeName: 'ERR_MSG_SIZE_TOO_LARGE', retriable: false })
  expect(small).toHaveLength(1)
})

test('a full local queue makes callers wait, not fail, and keeps the order of a key', async () => {
  const topic = newName('full')
  const { producer } = newProducer({ 'queue.buffering.max.messages': 10 })
  const values = Array.from({ length: 500 }, (_, index) => String(index))
  await Promise.all(values.map(value => producer.send({ messages: [{ topic, partition: 0, value }] })))
  expect((await read(topic, 500)).map(({ value }) => String(value))).toEqual(values)
})

test('a key keeps its order, however few or many of its records are in flight', async () => {
  const topic = newName('in-order')
  const { producer } = newProducer()
  const sent: Array<Promise<Delivery[]>> = []
  for (let turn = 0; turn < 300; turn++) {
    const first = sent.length
    for (let count = turn % 100 === 50 ? 300 : turn % 12; count >= 0; count--) sent.push(producer.send({ messages: [{ topic, partition: 0, value: 'x' }] }))
    await (turn % 5 === 0 ? setImmediate() : sent[first])
  }
  const offsets = (await Promise.all(sent)).flat().map(({ offset }) => offset)
  expect(offsets).toEqual(Array.from({ length: offsets.length }, (_, index) => index))
})

test('a request that is answered with an error that passes is repeated, and the order of a key is kept', async ({ skip }) => {
  skip(inject('brokerKind') === 'embedded', 'the embedded broker writes a repeated request a second time')
  const kafka = await startKafkaProxy(inject('kafkaBrokers'))
  const { producer } = newProducer({ bootstrapBrokers: [kafka.address], 'queue.buffering.max.messages': 100 })
  const topic = newName('repeated')
  const values = Array.from({ length: 1000 }, (_, index) => String(index))
  await producer.send({ messages: [{ topic, partition: 0, value: 'first' }] })
  kafka.failProduce(7) // timed out
  await Promise.all(values.map(value => producer.send({ messages: [{ topic, partition: 0, value }] })))
  expect((await read(topic, 1001)).slice(1).map(({ value }) => String(value))).toEqual(values)
})

test('records that wait for each other share requests', async () => {
  const topic = newName('gathered')
  await provisionTopics({ bootstrapBrokers: [inject('kafkaBrokers')] }, [{ name: topic, partitions: 4, config: {} }], { logger: noopLogger })
  const seen: number[] = []
  const { producer } = newProducer({
    'statistics.interval.ms': 100,
    onStatistics: ({ brokers }) => seen.push(Object.values(brokers as unknown as Record<string, { req: { Produce: number } }>).reduce((sum, { req }) => sum + req.Produce, 0))
  })
  const records = 5000
  await Promise.all(Array.from({ length: 50 }, async (_, lane) => {
    for (let count = 0; count < records / 50; count++) await producer.send({ messages: [{ topic, partition: (lane >> count % 5) % 4, value: 'x' }] })
  }))
  const before = seen.length
  await vi.waitFor(() => expect(seen.length).toBeGreaterThan(before + 1), 60_000)
  // More than 9 where cores are free.
  expect(records / Number(seen.at(-1))).toBeGreaterThan(3)
})

test('a broker that is away: rejects after message.timeout.ms and not much later, then goes on by itself', async () => {
  const broker = await newBroker()
  const { producer, has } = newProducer({ bootstrapBrokers: [broker.brokers], 'message.timeout.ms': 2000 })
  const topic = newName('away')
  await producer.send({ messages: [{ topic, value: 'before' }] })
  await pauseProcess(broker.pid)
  const start = performance.now()
  const error = await failure(producer.send({ messages: [{ topic, value: 'lost' }] }))
  expect(error).toMatchObject({ codeName: 'ERR__MSG_TIMED_OUT', retriable: true })
  expect(performance.now() - start).toBeGreaterThan(1900)
  expect(performance.now() - start).toBeLessThan(10_000)
  process.kill(broker.pid, 'SIGCONT')
  await vi.waitFor(() => producer.send({ messages: [{ topic, value: 'after' }] }), 60_000)
  process.kill(broker.pid, 'SIGKILL')
  await has('broker-away')
})

test('a connected broker that does not answer is reported as away', async () => {
  const broker = await newBroker()
  const { producer, states, has } = newProducer({ bootstrapBrokers: [broker.brokers], 'message.timeout.ms': 60_000 })
  const topic = newName('silent')
  await producer.send({ messages: [{ topic, value: 'before' }] })
  await pauseProcess(broker.pid)
  const sent = producer.send({ messages: [{ topic, value: 'held' }] })
  await has('broker-away')
  process.kill(broker.pid, 'SIGCONT')
  expect(await sent).toHaveLength(1)
  await vi.waitFor(() => expect(states.at(-1)).toEqual({ type: 'broker-back' }), 60_000)
})

test('a broker that refuses every record is not reported as away', async ({ skip }) => {
  skip(inject('brokerKind') === 'embedded', 'the embedded broker refuses nothing')
  const topic = newName('refused')
  await provisionTopics({ bootstrapBrokers: [inject('kafkaBrokers')] }, [{ name: topic, partitions: 1, config: { 'max.message.bytes': '200' } }], { logger: noopLogger })
  const { producer, states } = newProducer()
  // Always some of them under way, for longer than a broker may be silent.
  const until = performance.now() + 8000
  const lane = async () => {
    while (performance.now() < until) expect(await failure(producer.send({ messages: [{ topic, value: 'x'.repeat(1000) }] }))).toMatchObject({ codeName: 'ERR_MSG_SIZE_TOO_LARGE' })
  }
  await Promise.all(Array.from({ length: 20 }, lane))
  expect(states).toEqual([{ type: 'broker-back' }])
})

test('a producer that closes while the broker does not answer never reports it as back', async () => {
  const broker = await newBroker()
  const { producer, states, has } = newProducer({ bootstrapBrokers: [broker.brokers] })
  const topic = newName('closed')
  await producer.send({ messages: [{ topic, value: 'before' }] })
  await pauseProcess(broker.pid)
  const error = failure(producer.send({ messages: [{ topic, value: 'held' }] }))
  await has('broker-away')
  const [first, second] = [producer.close(), producer.close()].map(async closed => await closed.then(() => performance.now()))
  expect(await second).toBeGreaterThanOrEqual(Number(await first)) // it waits as long, so that no process exits before
  expect(await error).toMatchObject({ codeName: 'ERR__DESTROY' })
  expect(states.at(-1)).toEqual({ type: 'broker-away' })
})

test('a broker never seen: rejects after message.timeout.ms, and closes at once', async () => {
  const { producer, has } = newProducer({ bootstrapBrokers: ['127.0.0.1:1'], 'message.timeout.ms': 1000 })
  expect(await failure(producer.send({ messages: [{ topic: 'x', value: 'x' }] }))).toMatchObject({ codeName: 'ERR__MSG_TIMED_OUT' })
  await has('broker-away')
  const start = performance.now()
  await producer.close()
  expect(performance.now() - start).toBeLessThan(9000)
})

test('a producer whose librdkafka has forgotten all brokers is replaced by a new handle', async () => {
  const connect = vi.spyOn(rdkafka.Producer.prototype, 'connect')
  onTestFinished(() => connect.mockRestore())
  const topic = newName('brokersLost')
  const { producer } = newProducer()
  await producer.send({ messages: [{ topic, value: 'a' }] })
  const handle = connect.mock.contexts.at(-1) as rdkafka.Producer
  const underWay = [...Array(100).keys()].map(count => failure(producer.send({ messages: [{ topic, value: `${count}` }] })))
  for (let count = 0; count < 3; count++) handle.emit('event.stats', { message: JSON.stringify({ brokers: {}, topics: {} }) })
  for (const failed of await Promise.all(underWay)) expect(failed).toMatchObject({ codeName: 'ERR__ALL_BROKERS_DOWN' })
  expect(await producer.send({ messages: [{ topic, value: 'b' }] })).toHaveLength(1)
  expect(connect).toHaveBeenCalledTimes(2)
})

// Errors after which librdkafka knows no more in which order its messages stand, in the broker's answer.
test.for([
  ['out of order sequence', 45, { failed: 'ERR_OUT_OF_ORDER_SEQUENCE_NUMBER', isFatal: true }],
  ['invalid producer epoch', 47, { failed: 'ERR_INVALID_PRODUCER_EPOCH', isFatal: false }],
  ['unknown producer id', 59, { failed: undefined, isFatal: false }]
] as const)('a producer that the broker answers with "%s" sends again within seconds', async ([, code, { failed, isFatal }]) => {
  const kafka = await startKafkaProxy(inject('kafkaBrokers'))
  const replaced: unknown[] = []
  const logger = { ...noopLogger, warn: ({ err }: { err?: KafkaError }, text: string) => { if (text === 'kafka: producer replaced') replaced.push(err?.codeName) } }
  // What a user switches off makes no deaf client.
  const { producer, states } = newProducer({ bootstrapBrokers: [kafka.address], logger, log_level: 0, event_cb: false, 'log.queue': true })
  const topic = newName('fatal')
  await producer.send({ messages: [{ topic, partition: 0, value: 'a' }] })
  kafka.failProduce(code)
  expect((await failure(producer.send({ messages: [{ topic, partition: 0, value: 'b' }] })))?.codeName).toBe(failed)
  expect(await vi.waitFor(() => producer.send({ messages: [{ topic, partition: 0, value: 'c' }] }), 60_000)).toHaveLength(1)
  expect(replaced).toEqual(isFatal ? [failed] : [])
  expect(states.map(({ type }) => type)).not.toContain('fatal')
})

test('a setting that librdkafka checks on connecting is a fatal state, and is named', async () => {
  const { producer, states, has } = newProducer({ 'security.protocol': 'ssl', 'ssl.ca.location': '/no/such/file' })
  await has('fatal')
  expect(states.at(-1)).toMatchObject({ error: { name: 'KafkaError', message: expect.stringMatching(/ssl\.ca\.location/) } })
  expect(await failure(producer.send({ messages: [{ topic: 'x', value: 'x' }] }))).toMatchObject({ name: 'KafkaError' })
})

test('close waits for records in flight, and later ones are refused', async () => {
  const topic = newName('closing')
  const { producer } = newProducer({ 'linger.ms': 500 })
  const sent = [...Array(100).keys()].map(count => producer.send({ messages: [{ topic, value: `${count}` }] }))
  await Promise.race(sent) // the first one, which went alone: others are under way, or held back for a larger request
  const late = [...Array(100).keys()].map(count => producer.send({ messages: [{ topic, value: `${count}` }] }))
  await producer.close()
  expect((await Promise.all([...sent, ...late])).flat()).toHaveLength(200)
  expect(await failure(producer.send({ messages: [{ topic, value: 'late' }] }))).toMatchObject({ codeName: 'ERR__STATE' })
})

test('with nothing in flight events are polled once a second', async () => {
  const original = rdkafka.Producer.prototype.poll
  const polledAt: number[] = []
  const poll = vi.spyOn(rdkafka.Producer.prototype, 'poll').mockImplementation(function (this: rdkafka.Producer) {
    polledAt.push(performance.now())
    return original.call(this)
  })
  const flush = vi.spyOn(rdkafka.Producer.prototype, 'flush')
  onTestFinished(() => { poll.mockRestore(); flush.mockRestore() })
  const topic = newName('idle')
  const { producer } = newProducer()
  await Promise.all(Array.from({ length: 300 }, () => producer.send({ messages: [{ topic, value: 'x' }] })))
  const polls = polledAt.length
  await vi.waitFor(() => expect(polledAt.length).toBeGreaterThan(polls + 2), 60_000)
  const [first = 0, , third = 0] = polledAt.slice(polls)
  expect(third - first).toBeGreaterThan(1800)
  expect(flush).not.toHaveBeenCalled()
})

// librdkafka's mock cluster: 4 partitions a topic
async function embedded () {
  const broker = await startBroker()
  onTestFinished(() => broker.close())
  const producer = new Producer({ bootstrapBrokers: [broker.brokers] })
  onTestFinished(() => producer.close())
  return { broker, producer }
}

test('partition 0 is a partition, whatever the key', async () => {
  const { producer } = await embedded()
  const topic = newName('zero')
  const sent = await producer.send({ messages: ['a', 'b', 'c', 'd', 'e', 'f'].map(key => ({ topic, key, value: 'x', partition: 0 })) })
  expect(sent.map(({ partition }) => partition)).toEqual([0, 0, 0, 0, 0, 0])
})

test('a key goes to the partition that Java\'s default partitioner chooses', async () => {
  const { producer } = await embedded()
  const topic = newName('murmur')
  // toPositive(murmur2(key)) % 4
  const expected = { foobar: 2, abc: 3, 'user-1': 0, a: 0, c: 2, d: 1 }
  const sent = await producer.send({ messages: Object.keys(expected).map(key => ({ topic, key, value: 'x' })) })
  expect(sent.map(({ partition }) => partition)).toEqual(Object.values(expected))
})

test('records that do not fit into the local queue are rejected after message.timeout.ms', async () => {
  const producer = new Producer({ bootstrapBrokers: ['127.0.0.1:1'], 'message.timeout.ms': 1000, 'queue.buffering.max.messages': 1 })
  onTestFinished(() => producer.close())
  const started = performance.now()
  const results = await Promise.allSettled([1, 2, 3, 4, 5, 6].map(value => producer.send({ messages: [{ topic: 't', value }] })))
  expect(results.map(result => result.status === 'rejected' && result.reason.codeName)).toEqual(Array(6).fill('ERR__MSG_TIMED_OUT'))
  expect(performance.now() - started).toBeLessThan(6000) // one after the other they would take that long
})

test('close ends within 5 s with a record in flight and a broker that does not answer', async () => {
  const { broker, producer } = await embedded()
  const topic = newName('closing')
  await producer.send({ messages: [{ topic, value: 'a' }] })
  await pauseProcess(broker.pid)
  const sent = producer.send({ messages: [{ topic, value: 'b' }] }).catch(error => error)
  const started = performance.now()
  await producer.close()
  expect(performance.now() - started).toBeLessThan(15_000)
  expect(await sent).toMatchObject({ codeName: 'ERR__DESTROY' })
})
