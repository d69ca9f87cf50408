import type {} from '@pair/kafka/fastify'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Producer, type Connection } from '@pair/kafka'
import type { TSchema } from 'typebox'
import { CrashGuard } from '../crash-guard/crash-guard.js'
import { connectionsOf, otherWorkConnections } from '../limits.js'
import { Inbox } from '../inbox/inbox.js'
import { refusedNow } from '../kafka/broker-state.js'
import type { ConsumerOptions } from './consumer.js'
import { MessageMetrics } from './metrics.js'
import { MessageProcessor } from './processor.js'
import { Subscriptions } from './subscriptions.js'

export interface Messages {
  /** Subscribes to a topic, and takes each of its messages to its commit: see `MessageProcessor`. */
  consume: <Schema extends TSchema>(consumer: ConsumerOptions<Schema>) => void
  /** Whether the service has a listener for a topic; a pattern may have found one that it has none for. */
  hears: (topic: string) => boolean
  /** `topic[partition]@offset` of a message that has been on its way for over 60 s. */
  readonly stuck: string | undefined
  /** The topic of a consumer whose handler's dependency has been away for 10 s. */
  readonly waiting: string | undefined
  /** Why dead letters are refused, from the first one on that is. */
  readonly refused: string | undefined
}

declare module 'fastify' {
  interface FastifyInstance { messages: Messages }
}

/** The consumers of a service, with their dead letters and their end. */
export const messages = fp(async (app: FastifyInstance, options: { connection: Connection, group: string, onFatal: (error: Error) => void }) => {
  const processors = new Map<string, Pick<MessageProcessor<TSchema>, 'inFlight' | 'isWaiting' | 'stop'>>()
  const subscriptions = new Subscriptions(app.kafka)
  // Made for the first letter, and shared: a service that never needs the right to write them may lack it.
  let producer: Producer | undefined
  let refused: string | undefined
  const metrics = new MessageMetrics(app.metrics.registry, options.group)
  const pool = app.hasDecorator('database') ? app.database.pool : undefined
  const inbox = pool && new Inbox(pool)
  const guard = pool && new CrashGuard(pool)
  let connections = 0

  app.decorate('messages', {
    consume (consumer) {
      const topic = app.kafkaName(consumer.topic.name)
      // Each would commit what the other one has not handled yet.
      if (processors.has(topic)) throw new Error(`two consumers of the topic ${topic}`)
      const processor = new MessageProcessor({
        consumer,
        inbox: consumer.inbox === false ? undefined : inbox,
        guard,
        group: options.group,
        metrics: metrics.of(topic),
        log: app.log,
        // Not fastify.kafka.push: it carries no headers, and turns a key that is no text into another one.
        sendDeadLetter: async record => await (producer ??= deadLetterProducer()).send({ messages: [record] })
      })
      processors.set(topic, processor)
      connections += connectionsOf(consumer)
      if (pool) pool.options.max = Math.max(pool.options.max, connections + otherWorkConnections)
      app.kafka.subscribe(topic)
      app.kafka.on(topic, processor.listener)
    },
    hears: topic => subscriptions.hears(topic),
    get stuck () {
      return [...processors.values()].map(({ inFlight }) => inFlight.stuck).find(position => position !== undefined)
    },
    get waiting () {
      return [...processors].find(([, { isWaiting }]) => isWaiting)?.[0]
    },
    get refused () {
      return refused
    }
  })

  // A commit that fails is the client's to repeat: an error here means that its stream has ended.
  app.kafka.on('error', options.onFatal)

  app.addHook('onReady', async () => subscriptions.check())

  // Messages are finished beside the requests.
  let stopped: Promise<unknown> = Promise.resolve()
  app.addHook('preClose', async () => {
    stopped = Promise.all([...processors.values()].map(async processor => await processor.stop()))
  })

  // Runs before the consumer is closed: hooks run in reverse order of their registration.
  app.addHook('onClose', async () => {
    await stopped
    // Nothing of worth is in it any more: what is not acknowledged is not committed either.
    producer?.close().catch(() => {})
  })

  function deadLetterProducer (): Producer {
    return new Producer({
      ...options.connection,
      'client.id': 'dead-letters',
      // The broker's limit counts compressed bytes: what came compressed may be larger by now, and fit again.
      'message.max.bytes': 1_000_000_000,
      'compression.type': 'gzip',
      'message.timeout.ms': 30_000,
      'topic.metadata.refresh.interval.ms': 5000,
      'reconnect.backoff.max.ms': 1000,
      logger: app.log,
      onState: state => {
        refused = refusedNow(state, refused)
        if (state.type === 'fatal') options.onFatal(state.error)
      }
    })
  }
}, { name: 'messages', dependencies: ['@fastify/kafka', 'metrics'] })
