import rdkafka from 'node-rdkafka'
import { readFromStart, withPlugin } from './plugin.js'

/**
 * A way to have a function called for every record of a topic, from its start, and to commit each when it has returned.
 *
 * @typedef {(options: { brokers: string, topic: string, group: string, onMessage: () => void }) => Promise<{ close: () => Promise<unknown> }>} OpenReader
 */

/** @type {(which: 'ours' | 'stock') => OpenReader} */
const plugin = which => async ({ brokers, topic, group, onMessage }) => {
  if (which === 'stock') await readFromStart()
  const app = await withPlugin(which, {
    consumer: which === 'ours'
      ? { 'metadata.broker.list': brokers, 'client.id': 'bench', 'group.id': group }
      : { bootstrapBrokers: brokers.split(','), clientId: 'bench', groupId: group, maxWaitTime: 100 }
  })
  app.kafka.subscribe(topic)
  app.kafka.on(topic, (/** @type {unknown} */ _message, /** @type {() => void} */ commit) => { onMessage(); commit() })
  app.kafka.on('error', () => {})
  await app.ready()
  app.kafka.consume()
  return { close: () => app.close() }
}

/** @type {OpenReader} */
const kafkajs = async ({ brokers, topic, group, onMessage }) => {
  const { Kafka, logLevel } = (await import('kafkajs')).default
  const consumer = new Kafka({ clientId: 'bench', brokers: brokers.split(','), logLevel: logLevel.NOTHING }).consumer({ groupId: group })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ autoCommitThreshold: 1, eachMessage: async () => onMessage() })
  return { close: () => consumer.disconnect() }
}

/** @type {OpenReader} */
const plain = async ({ brokers, topic, group, onMessage }) => {
  const consumer = new rdkafka.KafkaConsumer({
    'metadata.broker.list': brokers,
    'group.id': group,
    'enable.auto.commit': false,
    'fetch.queue.backoff.ms': 5,
    'queued.min.messages': 5000,
    'queued.max.messages.kbytes': 4096
  }, { 'auto.offset.reset': 'earliest' })
  await new Promise((resolve, reject) => consumer.connect({}, error => error ? reject(new Error(error.message)) : resolve(undefined)))
  consumer.setDefaultConsumeTimeout(10)
  consumer.subscribe([topic])
  let isClosed = false
  const look = () => consumer.consume(1000, (_error, messages) => {
    messages?.forEach(onMessage)
    if (!isClosed) setImmediate(look)
  })
  look()
  return { close: () => { isClosed = true; return new Promise(resolve => consumer.disconnect(() => resolve(undefined))) } }
}

/** @type {Record<string, OpenReader>} */
export const readers = { ours: plugin('ours'), stock: plugin('stock'), kafkajs, plain }
