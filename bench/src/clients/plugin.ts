import { createRequire } from 'node:module'
import { fastify, type FastifyInstance } from 'fastify'
import { connectionTo, plaintextBrokers } from '../connection.js'

export type Which = 'ours' | 'stock'

/** The part of the plugin that is used, on either client. */
interface Plugin {
  push (message: { topic: string, key: string, payload: string, headers?: object }): Promise<unknown>
  subscribe (topic: string): void
  on (topic: string, listener: (message: unknown, commit: () => void) => void): void
  consume (): void
}

/**
 * A Fastify instance with @fastify/kafka on the client of this project (`ours`) or as it is published (`stock`).
 *
 * @param options of the plugin
 */
export async function withPlugin (which: Which, options: object): Promise<FastifyInstance & { kafka: Plugin }> {
  const require = createRequire(new URL(which === 'ours' ? '../../../package.json' : '../../package.json', import.meta.url))
  const app = fastify()
  await app.register(require('@fastify/kafka'), options)
  return app as unknown as FastifyInstance & { kafka: Plugin }
}

/** The published plugin reads from the end of the log after each start; for a comparison it must read existing records. */
export async function readFromStart (): Promise<void> {
  const { Consumer } = await import('@platformatic/kafka')
  const { consume } = Consumer.prototype
  Consumer.prototype.consume = function (options: object) {
    return consume.call(this, { ...options, mode: 'earliest' })
  }
}

export const producerOptions = (which: Which, brokers: string) => ({
  producer: which === 'ours'
    ? { ...connectionTo(brokers), 'client.id': 'bench' }
    : { bootstrapBrokers: plaintextBrokers(brokers), clientId: 'bench' }
})
