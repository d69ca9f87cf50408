// The declarations of @fastify/kafka 4.0.0, put right where they are wrong: `push` returns a promise, and `on` knows
// what it calls. For the types only: `import type {} from '@pair/kafka/fastify'`, once in a program.
import type {} from '@fastify/kafka'
import type { Message } from '@pair/kafka'

declare module 'fastify' {
  /** An EventEmitter, whose events are the topics. */
  interface FastifyKafkaConsumer {
    on (topic: string, listener: (message: Message, commit: () => void) => void): FastifyKafkaConsumer
    listenerCount (event: string): number
    eventNames (): Array<string | symbol>
  }

  interface Kafka {
    /** Resolves when the broker has acknowledged the message; rejects with a KafkaError. */
    push (message: FastifyKafkaMessage): Promise<FastifyKafkaProducer>
    /** A failure of the consumer itself, after which it hands out nothing more. */
    on (event: 'error', listener: (error: Error) => void): FastifyKafkaConsumer
    on (topic: string, listener: (message: Message, commit: () => void) => void): FastifyKafkaConsumer
  }
}
