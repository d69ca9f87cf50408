import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { BrokerState } from '../kafka/broker-state.js'
import { outboxMetrics } from './metrics.js'

/** Runs the relay, which sends the rows of the outbox table through the producer of @fastify/kafka. */
export const outboxRelay = fp(async (app: FastifyInstance, { broker }: { broker: BrokerState }) => {
  outboxMetrics(app.metrics.registry, app.database, app.log)
  broker.onChange = isBack => app.relay.brokerIsBack(isBack)

  app.addHook('onReady', async () => {
    app.database.migrated.then(() => app.relay.start(), () => {})
  })
  // Stops before the producer and the pool are closed: onClose hooks run in reverse order of registration.
  app.addHook('onClose', async () => await app.relay.stop())
}, { name: 'outbox-relay', dependencies: ['outbox', '@fastify/kafka'] })
