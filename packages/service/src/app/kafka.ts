import kafkaPlugin from '@fastify/kafka'
import type {} from '@pair/kafka/fastify' // corrects the plugin's types
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { watchBroker, type BrokerState } from '../kafka/broker-state.js'
import { shutdown } from '../limits.js'
import { provisioning } from '../kafka/topics.js'
import { deadLetterDeclaration } from '../messages/dead-letters.js'
import { messages } from '../messages/plugin.js'
import { outboxRelay } from '../outbox/plugin.js'
import type { Settings } from '../settings/settings.js'

/** The states that the clients reported; undefined if the service has no such client. */
export interface Clients { producer: BrokerState | undefined, consumer: BrokerState | undefined }

interface KafkaOptions { name: string, settings: Settings, onFatal: (error: Error) => void }

/**
 * Registers @fastify/kafka with the clients that the service's contract needs, creates the topics, starts the outbox relay
 * and subscribes to the topics that have a consumer. Call it after the service's own plugins, which fill the contract.
 */
export async function registerKafka (app: FastifyInstance, { name, settings, onFatal }: KafkaOptions): Promise<Clients> {
  const { sends, consumers } = app.contract
  const connection = settings.kafka
  const received = consumers.map(({ topic }) => topic)
  const clients: Clients = {
    producer: sends.length > 0 ? watchBroker(onFatal) : undefined,
    consumer: received.length > 0 ? watchBroker(onFatal) : undefined
  }
  const group = app.kafkaName(name)
  const common = {
    ...connection,
    'client.id': name,
    'topic.metadata.refresh.interval.ms': 5000, // finds a topic that is created after the start
    'reconnect.backoff.max.ms': 1000,
    logger: app.log,
    onStatistics: app.metrics.onStatistics
  }
  await app.register(kafkaPlugin, {
    ...(clients.producer && {
      producer: {
        ...common,
        'message.max.bytes': Math.max(...sends.map(({ config }) => Number(config['max.message.bytes']))),
        'topic.metadata.propagation.max.ms': 4000, // a push to a missing topic fails before the broker counts as unresponsive (5 s)
        headers: [{ 'content-type': 'application/cloudevents+json' }],
        closeTimeoutMs: shutdown.producerMs,
        onState: clients.producer.onState
      },
      producerTopicConf: { 'message.timeout.ms': 30_000 }
    }),
    ...(clients.consumer && {
      consumer: {
        ...common,
        'group.id': group,
        'auto.offset.reset': 'earliest', // a new group also processes the events from before its first start
        // With the KIP-848 protocol the broker sets these, and librdkafka refuses them.
        ...(connection['group.protocol'] !== 'consumer' && {
          'partition.assignment.strategy': connection['partition.assignment.strategy'] ?? 'cooperative-sticky', // a rebalance interrupts only the partitions that move
          'session.timeout.ms': settings.KAFKA_SESSION_TIMEOUT_MS,
          'heartbeat.interval.ms': Math.floor(settings.KAFKA_SESSION_TIMEOUT_MS / 3) // two heartbeats may be lost
        }),
        'fetch.wait.max.ms': settings.KAFKA_FETCH_WAIT_MAX_MS,
        closeTimeoutMs: shutdown.consumerMs,
        onState: clients.consumer.onState
      }
    })
  })
  // The plugins registered from here on are closed first, in reverse order. Request/reply closes concurrently with the clients.
  app.addHook('onClose', async () => { app.requestReply.close() })
  if (app.hasDecorator('outbox') && clients.producer) await app.register(outboxRelay, { broker: clients.producer })
  await app.register(provisioning, { connection, topics: [...new Set([...sends, ...received]), ...received.map(deadLetterDeclaration)] })
  if (clients.consumer) {
    await app.register(messages, { connection, group, onFatal })
    await app.register(fp(subscriptions, { name: 'subscriptions' }))
  }
  return clients
}

async function subscriptions (app: FastifyInstance): Promise<void> {
  for (const consumer of app.contract.consumers) app.messages.consume(consumer)
  // Consuming starts after the migrations: without its tables the database would refuse valid messages.
  app.addHook('onReady', async () => {
    const migrated = app.hasDecorator('database') ? app.database.migrated : Promise.resolve()
    migrated.then(() => app.kafka.consume(), () => {})
  })
}
