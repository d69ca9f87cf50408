import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import rdkafka from 'node-rdkafka'
import { startBroker } from 'shared-kafka'
import { inProcess } from './rounds.js'

const run = promisify(execFile)
const partitions = 4

/** @typedef {Awaited<ReturnType<typeof openBroker>>} Broker */

/** The Kafka at KAFKA_BROKERS, else one started here (Java and Maven), else the embedded broker. */
export async function openBroker () {
  const given = process.env['KAFKA_BROKERS']
  if (given) return { ...about(given), description: `KAFKA_BROKERS (${given})`, isReal: true, isNew: false, close: async () => {} }
  const control = fileURLToPath(new URL('../.ci/kafka/control', import.meta.url))
  const env = { ...process.env, KAFKA_DIR: fileURLToPath(new URL('../node_modules/.cache/kafka', import.meta.url)) }
  try {
    await run(control, ['start'], { env, timeout: 300_000 })
    const { stdout } = await run(control, ['brokers'], { env })
    return { ...about(stdout.trim()), description: 'a Kafka of its own', isReal: true, isNew: true, close: async () => { await run(control, ['stop'], { env }) } }
  } catch (error) {
    const reason = String(/** @type {{ stderr?: string }} */ (error).stderr).trim()
    const broker = await startBroker()
    return { ...about(broker.brokers), description: `embedded, which cannot serve @platformatic/kafka (${reason})`, isReal: false, isNew: false, close: broker.close }
  }
}

/**
 * Kafka compiles its code for half a minute: meanwhile it takes twice the CPU for a message, and answers some requests
 * after 400 ms.
 *
 * @param {Broker} broker
 */
export async function warmUp ({ brokers, newTopic, deleteTopic }) {
  const topic = await newTopic()
  await Promise.all([
    inProcess('./push-worker.js', { client: 'plain', brokers, topic, inFlight: 16, perSecond: 0, seconds: 30 }),
    inProcess('./consume-worker.js', { client: 'ours', brokers, topic, group: topic, count: Number.MAX_SAFE_INTEGER, limitMs: 30_000 })
  ])
  await deleteTopic(topic)
}

/** @param {string} brokers */
function about (brokers) {
  return {
    brokers,
    newTopic: async () => {
      const topic = `bench-${randomUUID()}`
      await createTopic(brokers, topic)
      return topic
    },
    createTopic: (/** @type {string} */ topic) => createTopic(brokers, topic),
    deleteTopic: (/** @type {string} */ topic) => withAdmin(brokers, (admin, done) => admin.deleteTopic(topic, 10_000, done)).catch(() => {}),
    countOf: (/** @type {string} */ topic) => countOf(brokers, topic),
    committedOf: (/** @type {string} */ topic, /** @type {string} */ group) => committedOf(brokers, topic, group)
  }
}

/**
 * @param {string} brokers
 * @param {string} topic
 */
async function createTopic (brokers, topic) {
  await withAdmin(brokers, (admin, done) => {
    admin.createTopic({ topic, num_partitions: partitions, replication_factor: -1 }, 2_000, done)
  }).catch(() => {}) // the embedded broker makes it on first use
  for (const deadline = Date.now() + 10_000; await placesOf(brokers, topic).then(({ length }) => length, () => 0) === 0;) {
    if (Date.now() > deadline) throw new Error(`topic ${topic} was not created`)
  }
}

/**
 * @param {string} brokers
 * @param {(admin: rdkafka.IAdminClient, done: (error: rdkafka.LibrdKafkaError | null) => void) => void} call
 */
async function withAdmin (brokers, call) {
  const admin = rdkafka.AdminClient.create({ 'metadata.broker.list': brokers })
  try {
    await new Promise((resolve, reject) => call(admin, error => error ? reject(new Error(error.message)) : resolve(undefined)))
  } finally {
    admin.disconnect()
  }
}

/**
 * @template Answer
 * @param {string} brokers
 * @param {string} group
 * @param {(consumer: rdkafka.KafkaConsumer, answer: <Value>(call: (done: (error: rdkafka.LibrdKafkaError | null, value: Value) => void) => void) => Promise<Value>) => Promise<Answer>} task
 */
async function withConsumer (brokers, group, task) {
  const consumer = new rdkafka.KafkaConsumer({ 'metadata.broker.list': brokers, 'group.id': group, 'enable.auto.commit': false }, {})
  /** @type {any} */
  const answer = (/** @type {(done: (error: Error | null, value: unknown) => void) => void} */ call) => new Promise((resolve, reject) => {
    call((error, value) => error ? reject(new Error(error.message)) : resolve(value))
  })
  await answer((/** @type {any} */ done) => consumer.connect({}, done))
  try {
    return await task(consumer, answer)
  } finally {
    await new Promise(resolve => consumer.disconnect(() => resolve(undefined)))
  }
}

/**
 * @param {string} brokers
 * @param {string} topic
 */
async function placesOf (brokers, topic) {
  return await withConsumer(brokers, 'bench-metadata', async (consumer, answer) => {
    const metadata = await answer((/** @type {(error: rdkafka.LibrdKafkaError | null, value: rdkafka.Metadata) => void} */ done) => {
      consumer.getMetadata({ topic, timeout: 5000 }, done)
    })
    return metadata.topics.find(({ name }) => name === topic)?.partitions.map(({ id }) => ({ topic, partition: id })) ?? []
  })
}

/**
 * @param {string} brokers
 * @param {string} topic
 */
async function countOf (brokers, topic) {
  const places = await placesOf(brokers, topic)
  return await withConsumer(brokers, 'bench-metadata', async (consumer, answer) => {
    let count = 0
    for (const { partition } of places) {
      const marks = await answer((/** @type {(error: rdkafka.LibrdKafkaError | null, value: rdkafka.WatermarkOffsets) => void} */ done) => {
        consumer.queryWatermarkOffsets(topic, partition, 5000, done)
      })
      count += marks.highOffset - marks.lowOffset
    }
    return count
  })
}

/**
 * How many messages of the topic the group has committed.
 *
 * @param {string} brokers
 * @param {string} topic
 * @param {string} group
 */
async function committedOf (brokers, topic, group) {
  const places = await placesOf(brokers, topic)
  return await withConsumer(brokers, group, async (consumer, answer) => {
    const committed = await answer((/** @type {(error: rdkafka.LibrdKafkaError | null, value: rdkafka.TopicPartitionOffset[]) => void} */ done) => {
      consumer.committed(places, 5000, done)
    })
    return committed.reduce((sum, { offset }) => sum + Math.max(0, offset ?? 0), 0)
  })
}
