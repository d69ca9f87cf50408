import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import rdkafka from 'node-rdkafka'
import { startBroker } from '@pair/kafka'
import { connection, isConnectionGiven } from '@pair/kafka/connection'
import { connectionTo } from './connection.js'
import { answered, connected, disconnected } from './rdkafka.js'
import { inProcess } from './rounds.js'

const run = promisify(execFile)
const partitions = 4

export type Broker = Awaited<ReturnType<typeof openBroker>>

/** The Kafka at KAFKA_BROKERS, else one started here (Java and Maven), else the embedded broker. */
export async function openBroker () {
  const given = isConnectionGiven(process.env) && connection(process.env)['metadata.broker.list']
  if (given) return { ...about(given), description: `KAFKA_BROKERS (${given})`, isReal: true, isNew: false, close: async () => {} }
  const kafka = fileURLToPath(new URL('../../.ci/kafka/kafka.sh', import.meta.url))
  const env = { ...process.env, KAFKA_DIR: fileURLToPath(new URL('../../node_modules/.cache/kafka', import.meta.url)) }
  try {
    await run(kafka, ['start'], { env, timeout: 300_000 })
    const { stdout } = await run(kafka, ['brokers'], { env })
    return { ...about(stdout.trim()), description: 'a Kafka of its own', isReal: true, isNew: true, close: async () => { await run(kafka, ['stop'], { env }) } }
  } catch (error) {
    const reason = String((error as { stderr?: string }).stderr).trim()
    const broker = await startBroker()
    return { ...about(broker.brokers), description: `embedded, which cannot serve @platformatic/kafka (${reason})`, isReal: false, isNew: false, close: broker.close }
  }
}

/**
 * Kafka's JVM compiles code for 30 s after its start. Until then a message takes twice the CPU, and some requests take 400 ms.
 */
export async function warmUp ({ brokers, newTopic, deleteTopic }: Broker): Promise<void> {
  const topic = await newTopic()
  await Promise.all([
    inProcess('./push-worker.js', { client: 'plain', brokers, topic, inFlight: 16, perSecond: 0, seconds: 30 }),
    inProcess('./consume-worker.js', { client: 'ours', brokers, topic, group: topic, count: Number.MAX_SAFE_INTEGER, limitMs: 30_000 })
  ])
  await deleteTopic(topic)
}

function about (brokers: string) {
  return {
    brokers,
    newTopic: async () => {
      const topic = `bench-${randomUUID()}`
      await createTopic(brokers, topic)
      return topic
    },
    createTopic: (topic: string) => createTopic(brokers, topic),
    deleteTopic: (topic: string) => withAdmin(brokers, admin => answered<void>(done => admin.deleteTopic(topic, 10_000, error => done(error)))).catch(() => {}),
    countOf: (topic: string) => countOf(brokers, topic),
    committedOf: (topic: string, group: string) => committedOf(brokers, topic, group)
  }
}

async function createTopic (brokers: string, topic: string): Promise<void> {
  await withAdmin(brokers, admin => answered<void>(done => {
    admin.createTopic({ topic, num_partitions: partitions, replication_factor: -1 }, 2_000, error => done(error))
  })).catch(() => {}) // the embedded broker creates it on first use
  for (const deadline = Date.now() + 10_000; await placesOf(brokers, topic).then(({ length }) => length, () => 0) === 0;) {
    if (Date.now() > deadline) throw new Error(`topic ${topic} was not created`)
  }
}

async function withAdmin (brokers: string, task: (admin: rdkafka.IAdminClient) => Promise<void>): Promise<void> {
  const admin = rdkafka.AdminClient.create(connectionTo(brokers))
  try {
    await task(admin)
  } finally {
    admin.disconnect()
  }
}

async function withConsumer<Answer> (brokers: string, group: string, task: (consumer: rdkafka.KafkaConsumer) => Promise<Answer>): Promise<Answer> {
  const consumer = new rdkafka.KafkaConsumer({ ...connectionTo(brokers), 'group.id': group, 'enable.auto.commit': false }, {})
  await connected(consumer)
  try {
    return await task(consumer)
  } finally {
    await disconnected(consumer)
  }
}

async function placesOf (brokers: string, topic: string): Promise<rdkafka.TopicPartition[]> {
  return await withConsumer(brokers, 'bench-metadata', async consumer => {
    const metadata = await answered<rdkafka.Metadata>(done => consumer.getMetadata({ topic, timeout: 5000 }, done))
    return metadata.topics.find(({ name }) => name === topic)?.partitions.map(({ id }) => ({ topic, partition: id })) ?? []
  })
}

async function countOf (brokers: string, topic: string): Promise<number> {
  const places = await placesOf(brokers, topic)
  return await withConsumer(brokers, 'bench-metadata', async consumer => {
    let count = 0
    for (const { partition } of places) {
      const marks = await answered<rdkafka.WatermarkOffsets>(done => consumer.queryWatermarkOffsets(topic, partition, 5000, done))
      count += marks.highOffset - marks.lowOffset
    }
    return count
  })
}

/** Number of committed messages of the group, over all partitions of the topic. */
async function committedOf (brokers: string, topic: string, group: string): Promise<number> {
  const places = await placesOf(brokers, topic)
  return await withConsumer(brokers, group, async consumer => {
    const committed = await answered<rdkafka.TopicPartitionOffset[]>(done => consumer.committed(places, 5000, done))
    return committed.reduce((sum, { offset }) => sum + Math.max(0, offset ?? 0), 0)
  })
}
