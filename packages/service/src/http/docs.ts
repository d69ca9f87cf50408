import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Topic } from '@pair/events'
import { asyncApi } from './asyncapi.js'
import { eventsPage } from './events-page.js'
import { htmlHeaders } from './html.js'
import { documentRoute } from './openapi.js'
import { swaggerUiOptions } from './swagger-ui.js'

/** For Swagger UI, which sets styles in the page: scripts, requests and fonts of this service only. */
const swaggerUiHeaders = {
  'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff'
}

export interface DocsOptions {
  /** Title of the service. */
  title: string
  /** Consumer group of the service, as the broker knows it. */
  group: string
  /** The topics that the service sends and receives; called after all of its plugins were registered. */
  topics: () => { sends?: Topic[], receives?: Topic[] }
}

/** Pages for the HTTP API of a service (OpenAPI, /docs) and for its events (AsyncAPI, /docs/events). Register it before the routes. */
export const docs = fp(async (app: FastifyInstance, { title, group, topics }: DocsOptions) => {
  await app.register(swagger, {
    openapi: {
      info: { title, version: '1.0.0' },
      externalDocs: { description: 'Events', url: '/docs/events' }
    },
    transform: documentRoute
  })

  let document: ReturnType<typeof asyncApi>
  let page: string
  app.addHook('onReady', async () => {
    document = asyncApi({ title, group, addressOf: app.kafkaName, ...topics() })
    page = eventsPage(document)
  })
  const route = { logLevel: 'warn', schema: { hide: true } } as const
  const isSeparate = app.admin !== app
  // The page on ADMIN_PORT shows the routes of the service's port. A browser cannot send them from there.
  if (isSeparate) await app.admin.register(fp(async admin => { admin.decorate('swagger', app.swagger) }, { name: '@fastify/swagger' }))
  await app.admin.register(async pages => {
    pages.addHook('onRequest', (_request, reply, done) => {
      reply.headers(swaggerUiHeaders)
      done()
    })
    await pages.register(swaggerUi, swaggerUiOptions({ title, canSend: !isSeparate }))
    pages.get('/docs/events.json', route, async () => document)
    pages.get('/docs/events', route, async (_request, reply) => reply.headers(htmlHeaders).send(page))
  })
}, { name: 'docs', dependencies: ['admin'] })
