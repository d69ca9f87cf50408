import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { provisionTopics, type TopicDeclaration } from 'shared-kafka'

/** Creates the topics that are missing, in the background: a start waits for no broker, and a topic may come late. */
export const topics = fp(async (app: FastifyInstance, options: { brokers: string, topics: TopicDeclaration[] }) => {
  const stop = new AbortController()
  app.addHook('onReady', async () => {
    provisionTopics({ 'metadata.broker.list': options.brokers }, options.topics, { logger: app.log, signal: stop.signal })
  })
  app.addHook('preClose', async () => stop.abort())
}, { name: 'topics' })
