import { fastify, type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { answerWithProblems } from './error-answers.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Where the pages of operators and developers are served (/metrics, /docs): the app itself, or a server of its own on ADMIN_PORT. */
    admin: FastifyInstance
  }
}

/** Keeps metrics and docs off the port that the world may see, where ADMIN_PORT says so. Register it before what has such pages. */
export const admin = fp(async (app: FastifyInstance, { port }: { port: number | undefined }) => {
  if (port === undefined) {
    app.decorate('admin', app)
    return
  }
  const server = fastify({ loggerInstance: app.log, bodyLimit: 1024, requestTimeout: 10_000 })
  answerWithProblems(server)
  app.decorate('admin', server)
  app.addHook('onReady', async () => { await server.ready() })
  app.addHook('onClose', async () => await server.close())
}, { name: 'admin' })
