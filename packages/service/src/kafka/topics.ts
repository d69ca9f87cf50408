import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { provisionTopics, type Connection, type TopicDeclaration } from '@pair/kafka'

/** Creates missing topics in the background: the start does not wait for a broker, and topics may appear later. */
export const provisioning = fp(async (app: FastifyInstance, options: { connection: Connection, topics: TopicDeclaration[] }) => {
  const stop = new AbortController()
  const declared = options.topics.map(topic => ({ ...topic, name: app.kafkaName(topic.name) }))
  app.addHook('onReady', async () => {
    provisionTopics(options.connection, declared, { logger: app.log, signal: stop.signal })
  })
  app.addHook('preClose', async () => stop.abort())
}, { name: 'topics' })
