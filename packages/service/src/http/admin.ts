import { fastify, type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { shutdown } from '../limits.js'
import { answerWithProblems } from './error-answers.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Serves the pages for operators and developers (/metrics, /docs): the app itself, or a second server on ADMIN_PORT. */
    admin: FastifyInstance
  }
}

/** Moves metrics and docs from the public port to ADMIN_PORT, if that is set. Register it before the plugins with such pages. */
export const admin = fp(async (app: FastifyInstance, { port }: { port: number | undefined }) => {
  if (port === undefined) {
    app.decorate('admin', app)
    return
  }
  const server = fastify({ loggerInstance: app.log, bodyLimit: 1024, requestTimeout: 10_000 })
  answerWithProblems(server)
  app.decorate('admin', server)
  app.addHook('onReady', async () => { await server.ready() })
  // A request that does not end must not use up the grace time.
  app.addHook('preClose', async () => { setTimeout(() => server.server.closeAllConnections(), shutdown.requestsMs).unref() })
  app.addHook('onClose', async () => await server.close())
}, { name: 'admin' })
