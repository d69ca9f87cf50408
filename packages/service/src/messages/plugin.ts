import type {} from '@pair/kafka/fastify'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Producer, type Connection } from '@pair/kafka'
import type { TSchema } from 'typebox'
import { CrashGuard } from '../crash-guard/crash-guard.js'
import { connectionsOf, otherWorkConnections } from '../limits.js'
import { Inbox } from '../inbox/inbox.js'
import { refusedNow } from '../kafka/broker-state.js'
import type { ConsumerOptions, Origin } from './consumer.js'
import { DeadLetterSender } from './dead-letter-sender.js'
import type { DeadLetter, Failure } from './dead-letters.js'
import { MessageMetrics, type ProcessorMetrics } from './metrics.js'
import { MessageProcessor } from './processor.js'
import { Subscriptions } from './subscriptions.js'

export interface Messages {
  /** Subscribes to a topic and processes its messages: see `MessageProcessor`. */
  consume: <Schema extends TSchema>(consumer: ConsumerOptions<Schema>) => void
  /**
   * Sends the dead letter of an event that was handled and committed, and whose effect was refused later. It names the message
   * and has its key, but neither its value nor its headers, which may be personal: it cannot be replayed. Tried again without a
   * limit, so it may arrive twice. Resolves when it is acknowledged.
   *
   * @param origin as the handler was given it
   * @param failure its `error` quotes nothing of the message
   * @throws Error without a consumer of this topic; the signal's reason when the service stops
   */
  deadLetter: (origin: Origin, failure: Pick<Failure, 'error' | 'attempts'>, log?: FastifyBaseLogger) => Promise<void>
  /** Whether the service has a listener for a topic. A pattern may match topics without a listener. */
  hasListener: (topic: string) => boolean
  /** `topic[partition]@offset` of a message that has been in flight for over 60 s. */
  readonly stuck: string | undefined
  /** The topic of a consumer whose handler has been waiting for a dependency for 10 s. */
  readonly waiting: string | undefined
  /** The reason why the broker refuses dead letters, set at the first refusal. */
  readonly refused: string | undefined
}

declare module 'fastify' {
  interface FastifyInstance { messages: Messages }
}

/** Runs the consumers of a service, sends their dead letters and stops them when the service closes. */
export const messages = fp(async (app: FastifyInstance, options: { connection: Connection, group: string, onFatal: (error: Error) => void }) => {
  const processors = new Map<string, Pick<MessageProcessor<TSchema>, 'inFlight' | 'isWaiting' | 'stop'>>()
  const counters = new Map<string, ProcessorMetrics>()
  const subscriptions = new Subscriptions(app.kafka)
  // Shared, and created for the first dead letter: until then the service needs no permission to write them.
  let producer: Producer | undefined
  let refused: string | undefined
  const stopping = new AbortController()
  // fastify.kafka.push sends no headers, and changes a key that is not text.
  const sendDeadLetter = async (record: DeadLetter) => await (producer ??= deadLetterProducer()).send({ messages: [record] })
  const lateLetters = new DeadLetterSender({ group: options.group, log: app.log, sendDeadLetter }, stopping.signal)
  const metrics = new MessageMetrics(app.metrics.registry, options.group)
  const pool = app.hasDecorator('database') ? app.database.pool : undefined
  const inbox = pool && new Inbox(pool)
  const guard = pool && new CrashGuard(pool)
  let connections = 0

  app.decorate('messages', {
    consume (consumer) {
      const topic = app.kafkaName(consumer.topic.name)
      // Each consumer would commit offsets that the other has not handled.
      if (processors.has(topic)) throw new Error(`two consumers of the topic ${topic}`)
      const counter = metrics.of(topic)
      const processor = new MessageProcessor({
        consumer,
        inbox: consumer.inbox === false ? undefined : inbox,
        guard,
        group: options.group,
        metrics: counter,
        log: app.log,
        sendDeadLetter
      })
      counters.set(topic, counter)
      processors.set(topic, processor)
      connections += connectionsOf(consumer)
      if (pool) pool.options.max = Math.max(pool.options.max, connections + otherWorkConnections)
      app.kafka.subscribe(topic)
      app.kafka.on(topic, processor.listener)
    },
    async deadLetter ({ key, ...origin }, failure, log = app.log) {
      const counter = counters.get(origin.topic)
      if (counter === undefined) throw new Error(`no consumer of the topic ${origin.topic}`)
      const message = { ...origin, key: key === null ? null : Buffer.from(key), value: null, headers: [], release () {} }
      const { topic, partition, offset } = origin
      await lateLetters.send(message, { ...failure, reason: 'refused' }, log.child({ topic, partition, offset }), 'value')
      counter.deadLetters.refused += 1
    },
    hasListener: topic => subscriptions.hasListener(topic),
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

  // The client retries failed commits itself: an error here means that its stream has ended.
  app.kafka.on('error', options.onFatal)

  app.addHook('onReady', async () => subscriptions.check())

  // Messages are finished concurrently with the requests.
  let stopped: Promise<unknown> = Promise.resolve()
  app.addHook('preClose', async () => {
    stopping.abort()
    stopped = Promise.all([...processors.values()].map(async processor => await processor.stop()))
  })

  // Runs before the consumer is closed: onClose hooks run in reverse order of registration.
  app.addHook('onClose', async () => {
    await stopped
    // Not awaited: a dead letter that is not acknowledged has not been committed either.
    producer?.close().catch(() => {})
  })

  function deadLetterProducer (): Producer {
    return new Producer({
      ...options.connection,
      'client.id': 'dead-letters',
      // No limit here: the broker's counts compressed bytes, so a value that arrived compressed may exceed it and fit again after compression.
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
