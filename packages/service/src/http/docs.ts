import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Topic } from '@pair/events'
import { asyncApi } from './asyncapi.js'
import { eventsPage } from './events-page.js'

/** Scripts, calls and fonts of this service only; Swagger UI and the events page have styles of their own in the page. */
const securityHeaders = {
  'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff'
}

export interface DocsOptions {
  /** Of the service. */
  title: string
  /** What the service sends and receives; asked when all of its plugins are registered. */
  topics: () => { sends?: Topic[], receives?: Topic[] }
}

/** Pages of what a service answers (OpenAPI, /docs) and of its events (AsyncAPI, /docs/events). Register it before the routes. */
export const docs = fp(async (app: FastifyInstance, { title, topics }: DocsOptions) => {
  await app.register(swagger, {
    openapi: {
      info: { title, version: '1.0.0' },
      externalDocs: { description: 'Events', url: '/docs/events' }
    }
  })

  let document: ReturnType<typeof asyncApi>
  let page: string
  app.addHook('onReady', async () => {
    document = asyncApi({ title, addressOf: app.kafkaName, ...topics() })
    page = eventsPage(document)
  })
  const route = { logLevel: 'warn', schema: { hide: true } } as const
  // The page shows the calls of the service, wherever the page itself is served.
  if (app.admin !== app) await app.admin.register(fp(async admin => { admin.decorate('swagger', app.swagger) }, { name: '@fastify/swagger' }))
  await app.admin.register(async pages => {
    pages.addHook('onRequest', (_request, reply, done) => {
      reply.headers(securityHeaders)
      done()
    })
    await pages.register(swaggerUi, { routePrefix: '/docs', logLevel: 'warn' })
    pages.get('/docs/events.json', route, async () => document)
    pages.get('/docs/events', route, async (_request, reply) => reply.type('text/html; charset=utf-8').send(page))
  })
}, { name: 'docs', dependencies: ['admin'] })
