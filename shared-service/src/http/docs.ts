import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** An OpenAPI page at /docs, made from the schemas of the routes. Register it before them. */
export const docs = fp(async (app: FastifyInstance, options: { title: string }) => {
  await app.register(swagger, { openapi: { info: { title: options.title, version: '1.0.0' } } })
  await app.register(swaggerUi, { routePrefix: '/docs', logLevel: 'warn' })
}, { name: 'docs' })
