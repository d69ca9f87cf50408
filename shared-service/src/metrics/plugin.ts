import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { collectDefaultMetrics, Histogram, Registry } from 'prom-client'
import type { Statistics } from 'shared-kafka'
import { durationBuckets } from './buckets.js'
import { clientMetrics } from './client.js'

export interface Metrics {
  /** Who has something to count adds it here. */
  registry: Registry
  /** Give this to the Kafka client. */
  onStatistics: (statistics: Statistics) => void
}

declare module 'fastify' {
  interface FastifyInstance { metrics: Metrics }
}

/**
 * /metrics for Prometheus. Names are those of OpenTelemetry's semantic conventions, where these have one, and a label only
 * ever has values that the code or the broker knows, never what somebody has sent. Register it before the routes.
 *
 * @param options.group the consumer group, where the service has one
 * @see https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/
 */
export const metrics = fp(async (app: FastifyInstance, { group = '' }: { group?: string }) => {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  app.decorate('metrics', { registry, onStatistics: clientMetrics(registry, group) })

  const requests = new Histogram({
    registers: [registry],
    name: 'http_server_request_duration_seconds',
    help: 'Requests by route and status, and how long they took',
    labelNames: ['http_request_method', 'http_route', 'http_response_status_code'],
    buckets: durationBuckets
  })
  app.addHook('onResponse', (request, reply, done) => {
    // The route, not the address that was typed; a request for none of them may be of any method, too.
    const route = request.is404 ? undefined : request.routeOptions?.url
    requests.observe({
      http_request_method: route === undefined ? '_OTHER' : request.method,
      http_route: route ?? '',
      http_response_status_code: reply.statusCode
    }, reply.elapsedTime / 1000)
    done()
  })

  app.get('/metrics', { logLevel: 'warn', schema: { hide: true } }, async (_request, reply) => {
    reply.type(registry.contentType)
    return await registry.metrics()
  })
}, { name: 'metrics' })
