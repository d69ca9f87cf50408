import type {} from 'shared-kafka/fastify'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { BrokerState } from '../kafka/broker-state.js'
import { outboxMetrics } from '../metrics/outbox.js'
import { measuredPush } from '../metrics/pushes.js'
import { tracedPush } from '../tracing/spans.js'
import { Relay } from './relay.js'
import { outboxRows } from './rows.js'

declare module 'fastify' {
  interface FastifyInstance { outbox: Relay }
}

/** The relay from the outbox table to the broker, through the plugin's producer. */
export const outboxRelay = fp(async (app: FastifyInstance, { broker }: { broker: BrokerState }) => {
  const { registry } = app.metrics
  const relay = new Relay(
    outboxRows(app.database.pool),
    tracedPush(measuredPush(registry, async row => await app.kafka.push({ topic: row.type, key: row.aggregateid, payload: row.payload }))),
    app.log
  )
  app.decorate('outbox', relay)
  outboxMetrics(registry, app.database, app.log)
  broker.onChange = isBack => relay.brokerIsBack(isBack)

  app.database.migrated.then(() => relay.start(), () => {})
  // Runs before the producer and the pool are closed: hooks run in reverse order of their registration.
  app.addHook('onClose', async () => await relay.stop())
}, { name: 'outbox', dependencies: ['database', '@fastify/kafka', 'metrics'] })
