import type { FastifyInstance } from 'fastify'
import { shutdown } from '../limits.js'
import { send } from './error-answers.js'

/**
 * While a service is asked to end, each answer closes its connection, so that the next request goes elsewhere. Once it
 * closes, what still comes on old connections is answered with 503.
 */
export function answerWhileEnding (app: FastifyInstance): void {
  let isClosing = false
  app.addHook('preClose', async () => {
    isClosing = true
    // A request that never ends must not use up the grace time.
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
