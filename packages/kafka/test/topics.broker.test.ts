import { randomBytes } from 'node:crypto'
import rdkafka from 'node-rdkafka'
import { Producer, provisionTopics, startBroker, type TopicDeclaration } from '@pair/kafka'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { pauseProcess } from '../../../test/fixtures/pause-process.js'
import { newName } from '../../../test/fixtures/records.js'

/** Writes down what is told about topics, as level and text. */
function notes () {
  const lines: Array<[level: string, text: string, details: object]> = []
  const note = (level: string) => (details: object, text: string) => { lines.push([level, text, details]) }
  return { lines, logger: { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') } }
}

async function provide (topics: TopicDeclaration[], brokers = inject('kafkaBrokers')) {
  const { lines, logger } = notes()
  await provisionTopics({ bootstrapBrokers: [brokers] }, topics, { logger })
  return lines
}

function newProducer () {
  const producer = new Producer({ bootstrapBrokers: [inject('kafkaBrokers')], 'message.max.bytes': 100_000 })
  onTestFinished(() => producer.close())
  return async (topic: string, bytes: number, partition = 0) =>
    await producer.send({ messages: [{ topic, partition, value: randomBytes(bytes) }] }).then(() => 'taken', error => error.codeName)
}

test('topics that are missing are created with the partitions and settings that are declared', async ({ skip }) => {
  skip(inject('brokerKind') === 'embedded', 'the embedded broker creates topics in its own way')
  const [small, large] = [newName('small'), newName('large')]
  const lines = await provide([
    { name: small, partitions: 3, config: { 'max.message.bytes': '2000' } },
    { name: large, partitions: 2, config: { 'max.message.bytes': '4000' } }
  ])
  expect(lines.map(([, text]) => text)).toEqual(['kafka: topic created', 'kafka: topic created'])
  const send = newProducer()
  expect(await Promise.all([send(small, 1000, 2), send(large, 3000, 1)])).toEqual(['taken', 'taken'])
  expect(await Promise.all([send(small, 3000), send(large, 5000)])).toEqual(Array(2).fill('ERR_MSG_SIZE_TOO_LARGE'))
  expect(await Promise.all([send(small, 1, 3), send(large, 1, 2)])).toEqual(Array(2).fill('ERR__UNKNOWN_PARTITION'))
})

test('a topic that exists is left alone, with one warning where it has another number of partitions than declared', async () => {
  const name = newName('existing')
  const send = newProducer()
  await send(name, 1) // which creates it
  const declared = { name, partitions: 7, config: { 'max.message.bytes': '2000' } }
  const lines = await provide([declared])
  expect(lines).toEqual([['warn', 'kafka: the topic has another number of partitions than declared', { topic: name, partitions: expect.any(Number), declared: 7 }]])
  expect(await provide([declared])).toEqual(lines)
  expect(await send(name, 3000)).toBe('taken')
  const { partitions } = lines[0]?.[2] as { partitions: number }
  expect(await provide([{ name, partitions }])).toEqual([])
})

test('a broker that is away at first is waited for, and one that cannot create topics makes them on first use', async () => {
  const broker = await startBroker()
  onTestFinished(() => broker.close())
  await pauseProcess(broker.pid)
  const { lines, logger } = notes()
  const topics = [{ name: newName('late'), partitions: 4 }]
  const provided = provisionTopics({ bootstrapBrokers: [broker.brokers] }, topics, { logger })
  await vi.waitFor(() => expect(lines.map(([, text]) => text)).toContain('kafka: topics not checked yet'), 120_000)
  process.kill(broker.pid, 'SIGCONT')
  await provided
  // "topic created" where a busy broker made the topic after the first request for its name was answered.
  const logged = lines.filter(([level]) => level !== 'debug').map(([level, text]) => [level, text])
  expect(logged).toEqual([['info', expect.stringMatching(/^kafka: (the topic cannot be created here, left to the broker|topic created)$/)]])
  expect(await provide(topics, broker.brokers)).toEqual([]) // it is there
})

test('a topic that the embedded broker has not made when it was asked for it is asked for once more', async () => {
  const broker = await startBroker()
  onTestFinished(() => broker.close())
  const name = newName('unmade')
  const { getMetadata } = rdkafka.Producer.prototype
  let asked = 0
  const spy = vi.spyOn(rdkafka.Producer.prototype, 'getMetadata').mockImplementation(function (this: rdkafka.Producer, about, done) {
    if (about?.topic === name && ++asked === 1) return done?.(null as never, { topics: [{ name, partitions: [] }], brokers: [], orig_broker_id: 1, orig_broker_name: '' })
    return getMetadata.call(this, about, done)
  })
  onTestFinished(() => spy.mockRestore())
  const topics = [{ name, partitions: 4 }]
  await provide(topics, broker.brokers)
  expect(asked).toBeGreaterThan(1) // on a busy machine the broker itself may need to be asked more often
  expect(await provide(topics, broker.brokers)).toEqual([]) // it is there
})

test('a service that ends does not wait for a broker any longer', async () => {
  const { lines, logger } = notes()
  const end = new AbortController()
  const provided = provisionTopics({ bootstrapBrokers: ['127.0.0.1:1'] }, [{ name: 'x', partitions: 1 }], { logger, signal: end.signal })
  await vi.waitFor(() => expect(lines).not.toHaveLength(0), 120_000)
  end.abort()
  await provided
})
