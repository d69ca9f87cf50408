import { setTimeout as delay } from 'node:timers/promises'
import { Consumer, KafkaError, LiveReader, Producer, provisionTopics, startBroker, type ClientOptions, type ClientState, type StoredMessage } from '@pair/kafka'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { addPartition, recreate } from '../../../test/fixtures/admin.js'
import { pauseProcess } from '../../../test/fixtures/pause-process.js'
import { LiveHandle } from '../dist/live-handle.js'
import { newName } from '../../../test/fixtures/records.js'

const isEmbedded = inject('brokerKind') === 'embedded'
const given = inject('kafkaBrokers')

function newProducer (brokers = given) {
  const producer = new Producer({ bootstrapBrokers: brokers.split(','), 'topic.metadata.refresh.interval.ms': 500 })
  onTestFinished(() => producer.close())
  return producer
}

/** A reader, and the values that it was handed. */
function newReader (topic: string, brokers = given, onMessage = (_message: StoredMessage) => {}) {
  const values: string[] = []
  const lines: Array<{ text: string, details: object }> = []
  const states: ClientState[] = []
  const say = (details: object, text: string) => { lines.push({ text, details }) }
  const logger = { debug () {}, info: say, warn: say, error: say }
  const options = { bootstrapBrokers: brokers.split(','), 'fetch.wait.max.ms': 10, logger, onState: (state: ClientState) => states.push(state) }
  const reader = new LiveReader(options, topic, message => {
    values.push(String(message.value))
    onMessage(message)
  })
  onTestFinished(() => reader.close())
  return { reader, values, lines, states }
}

async function newTopic (brokers = given) {
  const topic = newName('live')
  await provisionTopics({ bootstrapBrokers: brokers.split(',') }, [{ name: topic, partitions: 4 }])
  return topic
}

const put = async (producer: Producer, topic: string, partition: number, ...values: string[]) =>
  await producer.send({ messages: values.map(value => ({ topic, partition, value })) })
const eventually = (fact: () => unknown, timeout = 120_000) => vi.waitFor(fact, { timeout, interval: 20 })

test('it hands out records of every partition written after it is ready, and no earlier ones', async () => {
  const topic = await newTopic()
  const producer = newProducer()
  for (let partition = 0; partition < 4; partition++) await put(producer, topic, partition, 'old')
  const { reader, values } = newReader(topic)
  await reader.ready
  for (let partition = 0; partition < 4; partition++) await put(producer, topic, partition, `new ${partition}`)
  await eventually(() => expect(values).toHaveLength(4))
  expect(values.sort()).toEqual(['new 0', 'new 1', 'new 2', 'new 3'])
})

test('every record written after ready resolves is handed out', async () => {
  const producer = newProducer()
  const topics = await Promise.all(Array.from({ length: 5 }, () => newTopic()))
  for (const topic of topics) {
    await put(producer, topic, 0, 'old')
    const { reader, values } = newReader(topic)
    await reader.ready
    await Promise.all([0, 1, 2, 3].map(partition => put(producer, topic, partition, String(partition))))
    await eventually(() => expect(values.sort()).toEqual(['0', '1', '2', '3']))
  }
})

test('each of two readers of one topic gets every record', async () => {
  const topic = await newTopic()
  const readers = [newReader(topic), newReader(topic)]
  await Promise.all(readers.map(({ reader }) => reader.ready))
  await put(newProducer(), topic, 2, 'a', 'b', 'c')
  for (const { values } of readers) await eventually(() => expect(values).toEqual(['a', 'b', 'c']))
})

test('a topic that does not exist yet is waited for, and not created', async () => {
  const topic = newName('late')
  const { reader, values } = newReader(topic)
  const early = await Promise.race([reader.ready.then(() => 'ready'), delay(1500, 'not ready')])
  expect(early).toBe('not ready')
  await provisionTopics({ bootstrapBrokers: given.split(',') }, [{ name: topic, partitions: 4 }])
  await reader.ready
  await put(newProducer(), topic, 3, 'first')
  await eventually(() => expect(values).toEqual(['first']))
})

test('after stopSearch a reader requests no metadata, and reads on', async () => {
  const topic = await newTopic()
  const { reader, values } = newReader(topic)
  await reader.ready
  const searching = newReader(newName('never'))
  const asked = vi.spyOn(LiveHandle.prototype, 'partitions')
  onTestFinished(() => asked.mockRestore())
  await eventually(() => expect(asked.mock.calls.length).toBeGreaterThan(1))
  for (const one of [reader, searching.reader]) one.stopSearch()
  const before = asked.mock.calls.length
  await put(newProducer(), topic, 0, 'on')
  await eventually(() => expect(values).toEqual(['on']))
  await delay(600) // it asks five times a second
  expect(asked.mock.calls.length).toBe(before)
})

test('ready rejects where the reader is closed first', async () => {
  const { reader } = newReader(newName('never'))
  await reader.close()
  await expect(reader.ready).rejects.toMatchObject({ codeName: 'ERR__STATE' })
})

test.skipIf(isEmbedded)('records of a partition that is added later are handed out from the first one on', async () => {
  const topic = await newTopic()
  const producer = newProducer()
  const { reader, values } = newReader(topic)
  await reader.ready
  const added = await addPartition(given, topic)
  await eventually(() => put(producer, topic, added, 'in the new one'))
  await eventually(() => expect(values).toContain('in the new one'))
  await put(producer, topic, 0, 'in an old one')
  await eventually(() => expect(values).toContain('in an old one'))
})

test.skipIf(isEmbedded)('a recreated topic is read from its start', async () => {
  const topic = await newTopic()
  const producer = newProducer()
  await put(producer, topic, 0, 'old', 'old', 'old')
  const { reader, values } = newReader(topic)
  await reader.ready
  await put(producer, topic, 0, 'before')
  await eventually(() => expect(values).toEqual(['before']))
  await recreate(given, topic, {})
  await eventually(() => put(producer, topic, 0, 'after'))
  await eventually(() => expect(values).toEqual(expect.arrayContaining(['before', 'after'])), 60_000)
})

test('during an outage of the broker it keeps its offsets, and gets the records written meanwhile', async () => {
  const broker = await startBroker()
  onTestFinished(() => broker.close())
  const topic = await newTopic(broker.brokers)
  const producer = newProducer(broker.brokers)
  const { reader, values } = newReader(topic, broker.brokers)
  await reader.ready
  await put(producer, topic, 1, 'before')
  await eventually(() => expect(values).toEqual(['before']))
  await pauseProcess(broker.pid)
  const sent = Promise.all([put(producer, topic, 1, 'meanwhile'), put(producer, topic, 2, 'meanwhile')])
  await delay(300)
  process.kill(broker.pid, 'SIGCONT')
  await sent
  await eventually(() => expect(values).toEqual(['before', 'meanwhile', 'meanwhile']), 60_000)
})

test('an unreadable batch is skipped: later records and those of other partitions are handed out', async () => {
  const topic = await newTopic()
  const producer = newProducer()
  const { reader, values, lines } = newReader(topic)
  await reader.ready
  const poll = vi.spyOn(LiveHandle.prototype, 'poll').mockImplementation(async () => {
    await delay(50)
    return { messages: [], errors: [{ error: new KafkaError('ERR__NOT_IMPLEMENTED', 'Local: Not implemented'), partition: 0 }], isEmptied: true }
  })
  onTestFinished(() => poll.mockRestore())
  await eventually(() => expect(poll).toHaveBeenCalled()) // the one before is over
  await put(producer, topic, 0, 'unreadable')
  await put(producer, topic, 1, 'readable')
  const move = vi.spyOn(LiveHandle.prototype, 'move')
  onTestFinished(() => move.mockRestore())
  await eventually(() => expect(move.mock.calls.some(([to]) => to.some(({ partition, offset }) => partition === 0 && offset === 1))).toBe(true))
  poll.mockRestore()
  await eventually(async () => {
    await put(producer, topic, 0, 'next')
    expect(values).toEqual(expect.arrayContaining(['readable', 'next']))
  })
  expect(values).not.toContain('unreadable')
  const codeOf = ({ details }: { details: { err?: { codeName?: string } } }) => details.err?.codeName
  expect(lines.filter(line => line.text === 'kafka: error while reading' && codeOf(line) === 'ERR__NOT_IMPLEMENTED')).toHaveLength(1)
})

test('an error that a listener throws is logged, and the next record is handed out', async () => {
  const topic = await newTopic()
  const { reader, values, lines } = newReader(topic, given, ({ value }) => { if (String(value) === 'bad') throw new Error('listener') })
  await reader.ready
  await put(newProducer(), topic, 0, 'bad', 'good')
  await eventually(() => expect(values).toEqual(['bad', 'good']))
  expect(lines.filter(({ text }) => text === 'kafka: a listener has failed')).toHaveLength(1)
})

test('a setting that librdkafka refuses throws, or rejects ready', async () => {
  expect(() => new LiveReader({ bootstrapBrokers: [given], 'no.such': 1 } as ClientOptions, 'x', () => {})).toThrow(/no.such/)
  const states: ClientState[] = []
  const options = { bootstrapBrokers: [given], 'security.protocol': 'ssl', 'ssl.ca.location': '/no/such/file', onState: (state: ClientState) => states.push(state) }
  const reader = new LiveReader(options, 'x', () => {})
  onTestFinished(() => reader.close())
  await expect(reader.ready).rejects.toMatchObject({ name: 'KafkaError' })
  expect(states).toMatchObject([{ type: 'fatal' }])
})

test('20,000 records are handed out once each and in the order of their partition', async () => {
  const topic = await newTopic()
  const producer = newProducer()
  const offsets = new Map<number, number>()
  let [count, isInOrder] = [0, true]
  const { reader } = newReader(topic, given, ({ partition, offset }) => {
    isInOrder &&= offset === (offsets.get(partition) ?? 0)
    offsets.set(partition, offset + 1)
    count++
  })
  await reader.ready
  await producer.send({ messages: Array.from({ length: 20_000 }, (_, index) => ({ topic, partition: index % 4, value: 'x' })) })
  await eventually(() => expect(count).toBe(20_000))
  expect(isInOrder).toBe(true)
})

test('a reader takes nothing from a group, even one that its options name, and does not disturb it', async () => {
  const topic = await newTopic()
  const producer = newProducer()
  await put(producer, topic, 0, 'old')
  const groupId = newName('group')
  const states: ClientState[] = []
  const consumer = new Consumer({ bootstrapBrokers: [given], groupId, 'auto.offset.reset': 'earliest', onState: state => states.push(state) })
  onTestFinished(() => consumer.close())
  const stream = await consumer.consume({ topics: [topic] })
  expect(String((await stream.next()).value?.value)).toBe('old') // a member now
  const values: string[] = []
  const reader = new LiveReader({ bootstrapBrokers: [given], groupId }, topic, ({ value }) => values.push(String(value)))
  onTestFinished(() => reader.close())
  await reader.ready
  await put(producer, topic, 0, 'new')
  await eventually(() => expect(values).toEqual(['new']))
  expect(String((await stream.next()).value?.value)).toBe('new')
  expect(states.filter(({ type }) => type === 'assigned')).toHaveLength(1)
})
