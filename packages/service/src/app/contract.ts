import { createEvent, type Event, type Topic } from '@pair/events'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Static, TSchema } from 'typebox'
import { v7 as newId } from 'uuid'
import type { ConsumerOptions } from '../messages/consumer.js'
import { EventStream } from '../messages/event-stream.js'

/** Creates events of one topic. `subject` is also the message key: events of one subject keep their order. */
export type EventFactory<Data> = (event: { subject: string, data: Data, time?: Date | undefined, traceparent?: string | undefined }) => Event<Data>

/** Topics that a service sends to and consumers that it has, collected while its plugins are registered. */
export interface Contract {
  sends: Topic[]
  consumers: Array<ConsumerOptions<TSchema>>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The topics and consumers that the service declared. Complete when the app is ready. */
    contract: Contract
    /** Declares that the service writes a topic: it is created and documented, and the outbox accepts its events. Returns the topic's event factory. */
    sends<Schema extends TSchema> (topic: Topic<Schema>): EventFactory<Static<Schema>>
    /** Reads a topic from its beginning, in the service's consumer group. A service may have any number of consumers, in any file, but one for each topic. */
    consumer<Schema extends TSchema> (options: ConsumerOptions<Schema>): void
    /** Reads a topic like `consumer`, as an async iterable: see `EventStream`. Asking for the next event commits the previous one. */
    stream<Schema extends TSchema> (topic: Topic<Schema>): AsyncIterableIterator<Event<Static<Schema>>, undefined>
  }
}

/** Decorators with which a service declares its topics and consumers. */
export const contract = fp(async (app: FastifyInstance, { source }: { source: string }) => {
  const declared: Contract = { sends: [], consumers: [] }
  app.decorate('contract', declared)

  app.decorate('sends', topic => {
    if (!declared.sends.includes(topic as unknown as Topic)) declared.sends.push(topic as unknown as Topic)
    return ({ time = new Date(), ...event }) => createEvent(topic, { id: newId(), source, time, ...event })
  })

  app.decorate('consumer', options => {
    const { name } = options.topic
    if (declared.consumers.some(({ topic }) => topic.name === name)) throw new Error(`two consumers of the topic ${name} in one service`)
    declared.consumers.push(options as unknown as ConsumerOptions<TSchema>)
  })

  app.decorate('stream', <Schema extends TSchema>(topic: Topic<Schema>) => {
    const stream = new EventStream<Static<Schema>>()
    app.consumer<Schema>({ topic, handle: stream.handle, concurrency: 1, inbox: false })
    app.addHook('preClose', async () => stream.end())
    return stream
  })
}, { name: 'contract' })
