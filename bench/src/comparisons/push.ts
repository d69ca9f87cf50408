import type { Bench } from '../bench.js'
import { openLatencyProxy } from '../latency-proxy.js'
import { hasConfluent } from '../peers.js'
import { inProcess, takeTurns, type Figures } from '../rounds.js'

const names = {
  stock: '@fastify/kafka 4 as published',
  coalesced: '@platformatic/kafka, coalesced',
  kafkajs: 'kafkajs',
  plain: 'node-rdkafka, best settings',
  confluent: '@confluentinc/kafka-javascript, produce',
  ours: 'this project, fastify.kafka.push'
}

/** Acknowledged sends, each awaited. */
export async function * compare ({ broker, rounds, isQuick, progress, only }: Bench) {
  const seconds = isQuick ? 1 : 4
  const rows = [
    ...[1, 16, 100, 1000].map(inFlight => ({ title: `push, ${inFlight} in flight`, inFlight, perSecond: 0, rttMs: 0 })),
    { title: 'push, 100 in flight, 2 ms to the broker', inFlight: 100, perSecond: 0, rttMs: 2 },
    { title: 'nothing to send', inFlight: 0, perSecond: 0, rttMs: 0 },
    { title: '100 sends a second', inFlight: 0, perSecond: 100, rttMs: 0 }
  ].filter(({ title }) => !only || title.includes(only))
  for (const { title, inFlight, perSecond, rttMs } of rows) {
    const proxy = rttMs > 0 ? await openLatencyProxy(broker, rttMs) : undefined
    const competitors = Object.entries(names).filter(([client]) => (broker.isReal || !['stock', 'coalesced'].includes(client)) && (client !== 'confluent' || hasConfluent))
    yield await takeTurns({
      title,
      rounds,
      progress,
      competitors: competitors.map(([client, name]) => ({
        name,
        run: async () => {
          const topic = await broker.newTopic()
          try {
            const { acked, ...figures } = await inProcess<Figures & { acked: number }>('./push-worker.js', { client, brokers: proxy?.brokers ?? broker.brokers, topic, inFlight, perSecond, seconds })
            const stored = await broker.countOf(topic)
            return stored < acked ? { void: `${acked} acknowledged, ${stored} on the topic` } : figures
          } finally {
            await broker.deleteTopic(topic)
          }
        }
      }))
    })
    await proxy?.close()
  }
}
