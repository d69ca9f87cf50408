import { inProcess, takeTurns } from '../rounds.js'
import { openSlowWay } from '../slow-way.js'

const names = /** @type {const} */ ({
  stock: '@fastify/kafka 4 as published',
  coalesced: '@platformatic/kafka, coalesced',
  kafkajs: 'kafkajs',
  plain: 'node-rdkafka, best settings',
  ours: 'this project, fastify.kafka.push'
})

/** Acknowledged sends, each awaited. @param {import('./bench.js').Bench} bench */
export async function * compare (bench) {
  const { broker, rounds, isQuick, progress, only } = bench
  const seconds = isQuick ? 1 : 4
  const rows = [
    ...[1, 16, 100, 1000].map(inFlight => ({ title: `push, ${inFlight} in flight`, inFlight, perSecond: 0, rttMs: 0 })),
    { title: 'push, 100 in flight, 2 ms to the broker', inFlight: 100, perSecond: 0, rttMs: 2 },
    { title: 'nothing to send', inFlight: 0, perSecond: 0, rttMs: 0 },
    { title: '100 sends a second', inFlight: 0, perSecond: 100, rttMs: 0 }
  ].filter(({ title }) => !only || title.includes(only))
  for (const { title, inFlight, perSecond, rttMs } of rows) {
    const way = rttMs > 0 ? await openSlowWay(broker, rttMs) : undefined
    const competitors = Object.entries(names).filter(([client]) => broker.isReal || !['stock', 'coalesced'].includes(client))
    yield await takeTurns({
      title,
      rounds,
      progress,
      competitors: competitors.map(([client, name]) => ({
        name,
        run: async () => {
          const topic = await broker.newTopic()
          try {
            const { acked, ...figures } = await inProcess('./push-worker.js', { client, brokers: way?.brokers ?? broker.brokers, topic, inFlight, perSecond, seconds })
            const stored = await broker.countOf(topic)
            return stored < acked ? { void: `${acked} acknowledged, ${stored} on the topic` } : figures
          } finally {
            await broker.deleteTopic(topic)
          }
        }
      }))
    })
    await way?.close()
  }
}
