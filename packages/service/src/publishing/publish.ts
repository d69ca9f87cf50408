import type {} from '@pair/kafka/fastify'
import type { Event, Topic } from '@pair/events'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { messageMaker } from './messages-of.js'
import type { OutboundMessage, Push } from './message.js'
import { measuredPush } from './push-metrics.js'
import { tracedPush } from './span.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Builds the message of an event. @throws Error if its topic is not declared or the event is invalid */
    messageOf: (event: Event) => OutboundMessage
    /** Pushes a message with metrics and a span. Its topic is the plain name, without KAFKA_PREFIX. */
    push: Push
    /**
     * Sends an event without the outbox: resolves when the broker has acknowledged it. Nothing is stored, so the event is lost
     * if the process dies, and the caller must handle a failure.
     *
     * @param timeoutMs rejects with `ERR_PUBLISH_TIMEOUT` after this time, 5000 by default. The event may still arrive later:
     * the client retries for 30 s.
     */
    publish: (event: Event, options?: { timeoutMs?: number }) => Promise<void>
  }
}

/** The broker did not acknowledge the event in time. */
export class PublishTimeoutError extends Error {
  override readonly name = 'PublishTimeoutError'
  readonly code = 'ERR_PUBLISH_TIMEOUT'
}

/** Decorates the app with `push` and `publish`. The outbox relay uses the same `push`. */
export const publishing = fp(async (app: FastifyInstance, { topics }: { topics: () => Topic[] }) => {
  const push = tracedPush(measuredPush(app.metrics.registry, async message => await app.kafka.push({ topic: message.type, key: message.aggregateid, payload: message.payload })))
  const messageOf = messageMaker(topics)
  app.decorate('messageOf', messageOf)
  // Adds KAFKA_PREFIX here: outbox and contract hold plain names, so that a database can move to another environment.
  app.decorate('push', async message => await push({ ...message, type: app.kafkaName(message.type) }))

  app.decorate('publish', async (event, { timeoutMs = 5000 } = {}) => {
    const message = messageOf(event)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new PublishTimeoutError(`the event was not acknowledged within ${timeoutMs} ms`)), timeoutMs)
    })
    try {
      await Promise.race([app.push(message), late])
    } finally {
      clearTimeout(timer)
    }
  })
}, { name: 'publishing', dependencies: ['metrics'] })
