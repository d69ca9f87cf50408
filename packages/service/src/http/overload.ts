import underPressure from '@fastify/under-pressure'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { OverloadError } from '../database/pool.js'
import { overloaded, problemType, retryAfterS } from './problem.js'

/** Limit for the mean event loop delay over one second. A busy service stays far below it; above it, few answers would be in time. */
const maxEventLoopDelayMs = 1000
/** Length of one sample of the event loop delay. */
const sampleIntervalMs = 1000
const quietMs = 10_000

/**
 * Answers requests with 503 while the event loop is overloaded. Health and metrics are still answered. The start of the service
 * delays the event loop too, so the first two samples are ignored.
 */
export const overload = fp(async (app: FastifyInstance) => {
  let isStarting = true
  app.addHook('onReady', async () => {
    setTimeout(() => setTimeout(() => { isStarting = false }, sampleIntervalMs).unref(), sampleIntervalMs).unref()
  })
  await app.register(underPressure, {
    maxEventLoopDelay: maxEventLoopDelayMs,
    sampleInterval: sampleIntervalMs,
    // A request that gets no answer here is handled as usual.
    pressureHandler (request, reply) {
      if (!isStarting && !/^\/(health\/|metrics$)/.test(request.url)) reply.send(new OverloadError('the event loop is late'))
    }
  })
}, { name: 'overload' })

/** @returns a function that answers a request with 503 and `Retry-After`. It logs the number of such requests, at most once in 10 s. */
export function overloadAnswers (log: FastifyBaseLogger): (reply: FastifyReply) => void {
  let refused = 0
  let loggedAt = -Infinity
  return reply => {
    refused += 1
    if (performance.now() - loggedAt > quietMs) {
      log.warn({ refused }, 'overloaded: requests are answered 503')
      loggedAt = performance.now()
      refused = 0
    }
    reply.code(overloaded.status).header('retry-after', retryAfterS).type(problemType).send(JSON.stringify(overloaded))
  }
}
