// Corrections of the declarations of @fastify/kafka 4.0.0: `push` returns a promise, and `on` has the types of its listeners.
// Import once in a program, for the types only: `import type {} from '@platformatic/kafka/fastify'`.
import type {} from '@fastify/kafka'
import type { Message } from './dist/index.js'

declare module 'fastify' {
  /** An EventEmitter whose events are topics. */
  interface FastifyKafkaConsumer {
    on (event: 'error', listener: (error: Error) => void): FastifyKafkaConsumer
    on (topic: string, listener: (message: Message, commit: () => void) => void): FastifyKafkaConsumer
    listenerCount (event: string): number
    eventNames (): Array<string | symbol>
  }

  interface FastifyKafkaProducer {
    /** Also emitted for each rejected push. */
    on (event: 'error', listener: (error: Error) => void): FastifyKafkaProducer
  }

  interface Kafka {
    /** Resolves when the broker has acknowledged the message; rejects with a KafkaError. */
    push (message: FastifyKafkaMessage): Promise<FastifyKafkaProducer>
    /** A failure of the consumer, after which it hands out no more messages. */
    on (event: 'error', listener: (error: Error) => void): FastifyKafkaConsumer
    on (topic: string, listener: (message: Message, commit: () => void) => void): FastifyKafkaConsumer
  }
}
