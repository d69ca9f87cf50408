import rdkafka from 'node-rdkafka'
import { connectionTo, plaintextBrokers } from '../connection.js'
import { connected, disconnected } from '../rdkafka.js'
import { producerOptions, withPlugin, type Which } from './plugin.js'

/** Sends one record with one header; resolves when all in-sync replicas have acknowledged it. */
interface Sender { send: (key: string, value: string) => Promise<unknown>, close: () => Promise<unknown> }
type OpenSender = (options: { brokers: string, topic: string, inFlight: number }) => Promise<Sender>

const [name, text] = ['content-type', 'application/json']

const plugin = (which: Which): OpenSender => async ({ brokers, topic }) => {
  const app = await withPlugin(which, producerOptions(which, brokers))
  await app.ready()
  return { send: (key, payload) => app.kafka.push({ topic, key, payload, headers: which === 'ours' ? [{ [name]: text }] : { [name]: text } }), close: () => app.close() }
}

const coalesced: OpenSender = async ({ brokers, topic }) => {
  const { Producer, stringSerializers } = await import('@platformatic/kafka')
  const producer = new Producer({ clientId: 'bench', bootstrapBrokers: plaintextBrokers(brokers), serializers: stringSerializers })
  let waiting: Array<{ message: { topic: string, key: string, value: string, headers: Record<string, string> }, resolve: (value?: unknown) => void, reject: (error: unknown) => void }> = []
  let requests = 0
  // Records of one turn of the event loop, or of the time with five requests in flight, share a request.
  const flush = () => {
    if (waiting.length === 0 || requests >= 5) return
    const batch = waiting
    waiting = []
    requests++
    producer.send({ messages: batch.map(({ message }) => message) })
      .then(() => { for (const { resolve } of batch) resolve() }, (error: unknown) => { for (const { reject } of batch) reject(error) })
      .finally(() => { requests--; flush() })
  }
  return {
    send: (key, value) => new Promise((resolve, reject) => {
      if (waiting.push({ message: { topic, key, value, headers: { [name]: text } }, resolve, reject }) === 1) setImmediate(flush)
    }),
    close: () => producer.close()
  }
}

const kafkajs: OpenSender = async ({ brokers, topic }) => {
  const { Kafka, Partitioners, logLevel } = (await import('kafkajs')).default
  const producer = new Kafka({ clientId: 'bench', brokers: plaintextBrokers(brokers), logLevel: logLevel.NOTHING }).producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  return { send: (key, value) => producer.send({ topic, acks: -1, messages: [{ key, value, headers: { [name]: text } }] }), close: () => producer.disconnect() }
}

/** The best settings for the load: delivery reports by `flush` with few messages in flight, by a timer with many. */
const plain: OpenSender = async ({ brokers, topic, inFlight }) => {
  const producer = new rdkafka.Producer({ ...connectionTo(brokers), 'linger.ms': 5, 'enable.idempotence': true, dr_cb: true }, { acks: -1 })
  await connected(producer)
  let pending = 0
  let isFlushing = false
  const flush = () => {
    if (isFlushing || pending === 0) return
    isFlushing = true
    producer.flush(1000, () => { isFlushing = false; flush() })
  }
  const byTimer = inFlight > 500
  if (byTimer) producer.setPollInterval(1)
  producer.on('delivery-report', (error, { opaque }) => {
    pending--
    if (error) opaque.reject(error)
    else opaque.resolve()
  })
  return {
    send: (key, value) => new Promise((resolve, reject) => {
      producer.produce(topic, null, Buffer.from(value), key, undefined, { resolve, reject }, [{ [name]: text }])
      pending++
      if (!byTimer) flush()
    }),
    close: () => disconnected(producer)
  }
}

/** node-rdkafka's interface of that client, polled in the background: faster than its `send`. */
const confluent: OpenSender = async ({ brokers, topic, inFlight }) => {
  const { default: { Producer } } = await import('@confluentinc/kafka-javascript')
  const producer = new Producer({ ...connectionTo(brokers), 'linger.ms': inFlight > 500 ? 5 : 0, 'enable.idempotence': true, dr_cb: true }, { acks: -1 })
  await connected(producer)
  producer.setPollInBackground(true)
  producer.on('delivery-report', (error: Error | null, { opaque }: { opaque: { resolve: () => void, reject: (error: Error) => void } }) => {
    if (error) opaque.reject(error)
    else opaque.resolve()
  })
  return {
    send: (key, value) => new Promise((resolve, reject) => producer.produce(topic, null, Buffer.from(value), key, undefined, { resolve, reject }, [{ [name]: text }])),
    close: () => disconnected(producer)
  }
}

export type Client = 'ours' | 'stock' | 'coalesced' | 'kafkajs' | 'plain' | 'confluent'

export const senders: Record<Client, OpenSender> = { ours: plugin('ours'), stock: plugin('stock'), coalesced, kafkajs, plain, confluent }
