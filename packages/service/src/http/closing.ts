import type { FastifyInstance } from 'fastify'
import { shutdown } from '../limits.js'
import { send } from './error-answers.js'

/**
 * After SIGTERM each answer closes its connection, so that the next request goes to another instance. Once the service
 * closes, requests on old connections are answered with 503.
 */
export function answerWhileEnding (app: FastifyInstance): void {
  let isClosing = false
  app.addHook('preClose', async () => {
    isClosing = true
    // A request that does not end must not use up the grace time.
    setTimeout(() => app.server.closeAllConnections(), shutdown.requestsMs).unref()
  })
  app.addHook('onRequest', (_request, reply, done) => {
    if (isClosing) send(reply, 503)
    else done()
  })
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (isClosing || app.isLeaving) reply.header('connection', 'close')
    done(null, payload)
  })
}
