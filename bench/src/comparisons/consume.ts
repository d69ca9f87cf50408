import { randomUUID } from 'node:crypto'
import type { Bench } from '../bench.js'
import { hasConfluent } from '../peers.js'
import { inProcess, takeTurns, type Figures } from '../rounds.js'

const limitMs = 15_000
const names = {
  stock: ['@fastify/kafka 4 as published', 'told to read from the start, which it never does by itself'],
  kafkajs: ['kafkajs, eachMessage', undefined],
  platformatic: ['@platformatic/kafka', 'commits nothing'],
  plain: ['node-rdkafka, best settings', 'commits nothing'],
  confluent: ['@confluentinc/kafka-javascript, eachBatch', 'commits nothing'],
  ours: ['this project, fastify.kafka.on', undefined]
} as const

/** Reading existing records, with a commit for every message. */
export async function * compare ({ broker, rounds, isQuick, progress }: Bench) {
  const count = isQuick ? 50_000 : 1_000_000
  const topic = await broker.newTopic()
  await inProcess('./fill-worker.js', { brokers: broker.brokers, topic, count }, 300)
  yield await takeTurns({
    title: `consume, a commit each (${count.toLocaleString('en')} messages)`,
    rounds,
    progress,
    competitors: Object.entries(names).filter(([client]) => (broker.isReal || !['stock', 'platformatic'].includes(client)) && (client !== 'confluent' || hasConfluent)).map(([client, [name, note]]) => ({
      name,
      note,
      run: async () => {
        const group = `bench-${randomUUID()}`
        const { seen, ...figures } = await inProcess<Figures & { seen: number }>('./consume-worker.js', { client, brokers: broker.brokers, topic, group, count, limitMs })
        if (['plain', 'platformatic', 'confluent'].includes(client)) return figures
        const committed = await broker.committedOf(topic, group)
        // The published plugin commits the offset of a message, not the next one: one less in each partition.
        return committed < seen - 4 ? { void: `${committed} of ${seen} committed` } : figures
      }
    }))
  })
  await broker.deleteTopic(topic)
}
