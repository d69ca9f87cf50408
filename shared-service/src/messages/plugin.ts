import type {} from 'shared-kafka/fastify'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Producer, type Message } from 'shared-kafka'
import type { TSchema } from 'typebox'
import { MessageMetrics } from '../metrics/messages.js'
import { MessagePath, type PathOptions } from './path.js'

type Listener = (message: Message, commit: () => void) => void

export interface Messages {
  /** The listener that takes each message of a topic to its commit: see `MessagePath`. */
  follow: <Schema extends TSchema>(path: Pick<PathOptions<Schema>, 'topic' | 'handle' | 'atOnce'>) => Listener
  /** `topic[partition]@offset` of a message that has been on its way for over 60 s. */
  readonly stuck: string | undefined
}

declare module 'fastify' {
  interface FastifyInstance { messages: Messages }
}

/** The paths of a service's messages, with their dead letters and their end. */
export const messages = fp(async (app: FastifyInstance, options: { brokers: string, group: string, onFatal: (error: Error) => void }) => {
  const paths: Array<Pick<MessagePath<TSchema>, 'inFlight' | 'stop'>> = []
  const producers: Producer[] = []
  const metrics = new MessageMetrics(app.metrics.registry, options.group)

  app.decorate('messages', {
    follow (handler) {
      // Not fastify.kafka.push: it carries no headers, and turns a key that is no text into another one.
      const producer = deadLetterProducer()
      const path = new MessagePath({
        ...handler,
        group: options.group,
        metrics: metrics.of(handler.topic.name),
        log: app.log,
        sendDeadLetter: async record => await producer.send({ messages: [record] })
      })
      paths.push(path)
      producers.push(producer)
      return path.listener
    },
    get stuck () {
      return paths.map(path => path.inFlight.stuck).find(position => position !== undefined)
    }
  })

  // A commit that fails is the client's to repeat: an error here means that its stream has ended.
  app.kafka.on('error', options.onFatal)

  // Runs before the consumer is closed: hooks run in reverse order of their registration.
  app.addHook('onClose', async () => {
    await Promise.all(paths.map(async path => await path.stop()))
    // Nothing of worth is in them any more: what is not acknowledged is not committed either.
    for (const producer of producers) producer.close().catch(() => {})
  })

  function deadLetterProducer (): Producer {
    return new Producer({
      'metadata.broker.list': options.brokers,
      'client.id': 'dead-letters',
      // The broker's limit counts compressed bytes: what came compressed may be larger by now, and fit again.
      'message.max.bytes': 1_000_000_000,
      'compression.type': 'gzip',
      'message.timeout.ms': 30_000,
      'topic.metadata.refresh.interval.ms': 5000,
      'reconnect.backoff.max.ms': 1000,
      logger: app.log,
      onState: state => { if (state.type === 'fatal') options.onFatal(state.error) }
    })
  }
}, { name: 'messages', dependencies: ['@fastify/kafka', 'metrics'] })
