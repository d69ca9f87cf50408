import { createRequire } from 'node:module'
import { fastify } from 'fastify'

/**
 * A Fastify instance with @fastify/kafka on the client of this project (`ours`) or as it is published (`stock`).
 *
 * @param {'ours' | 'stock'} which
 * @param {object} options of the plugin
 * @param {object} [server] options of Fastify
 */
export async function withPlugin (which, options, server = {}) {
  const require = createRequire(new URL(which === 'ours' ? '../../package.json' : '../package.json', import.meta.url))
  const app = fastify(server)
  await app.register(require('@fastify/kafka'), options)
  return /** @type {import('fastify').FastifyInstance & { kafka: any }} */ (/** @type {unknown} */ (app))
}

/** The published plugin reads from the end of the log after each start; for a comparison it has to read what is there. */
export async function readFromStart () {
  const { Consumer } = await import('@platformatic/kafka')
  const { consume } = Consumer.prototype
  Consumer.prototype.consume = function (/** @type {object} */ options) {
    return consume.call(this, { ...options, mode: 'earliest' })
  }
}

/**
 * @param {'ours' | 'stock'} which
 * @param {string} brokers
 */
export const producerOptions = (which, brokers) => ({
  producer: which === 'ours'
    ? { 'metadata.broker.list': brokers, 'client.id': 'bench' }
    : { bootstrapBrokers: brokers.split(','), clientId: 'bench' }
})
