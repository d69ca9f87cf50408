import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { asyncApi, type AsyncApiOptions } from './asyncapi.js'
import { eventsPage } from './events-page.js'

/** Pages of what a service answers (OpenAPI, /docs) and of its events (AsyncAPI, /docs/events). Register it before the routes. */
export const docs = fp(async (app: FastifyInstance, options: AsyncApiOptions) => {
  await app.register(swagger, {
    openapi: {
      info: { title: options.title, version: '1.0.0' },
      externalDocs: { description: 'Events', url: '/docs/events' }
    }
  })
  await app.register(swaggerUi, { routePrefix: '/docs', logLevel: 'warn' })

  const document = asyncApi(options)
  const page = eventsPage(document)
  const route = { logLevel: 'warn', schema: { hide: true } } as const
  app.get('/docs/events.json', route, async () => document)
  app.get('/docs/events', route, async (_request, reply) => reply.type('text/html; charset=utf-8').send(page))
}, { name: 'docs' })
