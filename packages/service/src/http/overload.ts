import underPressure from '@fastify/under-pressure'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { OverloadError } from '../database/pool.js'
import { overloaded, problemType } from './problem.js'

/** Mean delay of the event loop over a second. A service that is merely busy stays far below; above, few answers would be in time. */
const maxEventLoopDelayMs = 1000
/** How long the event loop is looked at for one value. */
const sampleInterval = 1000
const retryAfterS = 1
const quietMs = 10_000

/**
 * Answers requests with 503 while the process is too busy for them. Health and metrics are answered all the same. Its own start
 * keeps it busy, too, and is no overload: what was seen of it says nothing from the second sample on.
 */
export const overload = fp(async (app: FastifyInstance) => {
  let isStarting = true
  app.addHook('onReady', async () => {
    setTimeout(() => setTimeout(() => { isStarting = false }, sampleInterval).unref(), sampleInterval).unref()
  })
  await app.register(underPressure, {
    maxEventLoopDelay: maxEventLoopDelayMs,
    sampleInterval,
    // Without an answer here a request is handled as ever.
    pressureHandler (request, reply) {
      if (!isStarting && !/^\/(health\/|metrics$)/.test(request.url)) reply.send(new OverloadError('the event loop is late'))
    }
  })
}, { name: 'overload' })

/** @returns what answers a request that there is no time for: 503 with `Retry-After`. Logged at most once in 10 s, with their number. */
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
