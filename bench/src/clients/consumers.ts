import rdkafka from 'node-rdkafka'
import { connectionTo, plaintextBrokers } from '../connection.js'
import { connected, disconnected } from '../rdkafka.js'
import { readFromStart, withPlugin, type Which } from './plugin.js'

/** Calls a function for every record of a topic from its start, and commits each record when the function has returned. */
type OpenReader = (options: { brokers: string, topic: string, group: string, onMessage: () => void }) => Promise<{ close: () => Promise<unknown> }>

const plugin = (which: Which): OpenReader => async ({ brokers, topic, group, onMessage }) => {
  if (which === 'stock') await readFromStart()
  const app = await withPlugin(which, {
    consumer: which === 'ours'
      ? { ...connectionTo(brokers), 'client.id': 'bench', 'group.id': group, 'auto.offset.reset': 'earliest' }
      : { bootstrapBrokers: plaintextBrokers(brokers), clientId: 'bench', groupId: group, maxWaitTime: 100 }
  })
  app.kafka.subscribe(topic)
  app.kafka.on(topic, (_message, commit) => { onMessage(); commit() })
  app.kafka.on('error', () => {})
  await app.ready()
  app.kafka.consume()
  return { close: () => app.close() }
}

const kafkajs: OpenReader = async ({ brokers, topic, group, onMessage }) => {
  const { Kafka, logLevel } = (await import('kafkajs')).default
  const consumer = new Kafka({ clientId: 'bench', brokers: plaintextBrokers(brokers), logLevel: logLevel.NOTHING }).consumer({ groupId: group })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ autoCommitThreshold: 1, eachMessage: async () => onMessage() })
  return { close: () => consumer.disconnect() }
}

const plain: OpenReader = async ({ brokers, topic, group, onMessage }) => {
  const consumer = new rdkafka.KafkaConsumer({
    ...connectionTo(brokers),
    'group.id': group,
    'enable.auto.commit': false,
    'fetch.queue.backoff.ms': 5,
    'queued.min.messages': 5000,
    'queued.max.messages.kbytes': 4096
  }, { 'auto.offset.reset': 'earliest' })
  await connected(consumer)
  consumer.setDefaultConsumeTimeout(10)
  consumer.subscribe([topic])
  let isClosed = false
  const look = () => consumer.consume(1000, (_error, messages) => {
    messages?.forEach(onMessage)
    if (!isClosed) setImmediate(look)
  })
  look()
  return { close: () => { isClosed = true; return disconnected(consumer) } }
}

const platformatic: OpenReader = async ({ brokers, topic, group, onMessage }) => {
  const { Consumer, MessagesStreamModes } = await import('@platformatic/kafka')
  const consumer = new Consumer({ clientId: 'bench', bootstrapBrokers: plaintextBrokers(brokers), groupId: group, maxWaitTime: 100 })
  const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST, autocommit: false })
  stream.on('data', onMessage)
  stream.on('error', () => {})
  return { close: () => consumer.close(true) }
}

const confluent: OpenReader = async ({ brokers, group, topic, onMessage }) => {
  const { default: { KafkaJS } } = await import('@confluentinc/kafka-javascript')
  const consumer = new KafkaJS.Kafka({ ...connectionTo(brokers), kafkaJS: { logLevel: KafkaJS.logLevel.NOTHING } }).consumer({ 'group.id': group, 'auto.offset.reset': 'earliest', 'enable.auto.commit': false })
  await consumer.connect()
  await consumer.subscribe({ topic })
  await consumer.run({ eachBatch: async ({ batch }: { batch: { messages: unknown[] } }) => batch.messages.forEach(onMessage) })
  return { close: () => consumer.disconnect() }
}

export type Client = 'ours' | 'stock' | 'kafkajs' | 'platformatic' | 'plain' | 'confluent'

export const readers: Record<Client, OpenReader> = { ours: plugin('ours'), stock: plugin('stock'), kafkajs, platformatic, plain, confluent }
