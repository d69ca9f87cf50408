import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client'
import type { Statistics } from '@pair/kafka'
import { droppedLines } from '../logging/standard-output.js'
import { durationBuckets } from './buckets.js'
import { clientMetrics } from './client.js'
import { readOnDemand } from './read-on-demand.js'

export interface Metrics {
  /** The registry for all metrics of the service. */
  registry: Registry
  /** The Kafka client's `onStatistics` option. */
  onStatistics: (statistics: Statistics) => void
}

declare module 'fastify' {
  interface FastifyInstance { metrics: Metrics }
}

/**
 * /metrics for Prometheus. Metric names follow OpenTelemetry's semantic conventions where those define one. Label values come
 * from the code or the broker, never from a client. Register it before the routes.
 *
 * @param options.group the consumer group, if the service has one
 * @see https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/
 */
export const metrics = fp(async (app: FastifyInstance, { group = '' }: { group?: string }) => {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  app.decorate('metrics', { registry, onStatistics: clientMetrics(registry, group) })

  readOnDemand(registry, Counter, {
    name: 'log_lines_dropped_total',
    help: 'Log lines dropped because standard output was not read',
    labelNames: [],
    read: () => [[{}, droppedLines()]]
  })

  const requests = new Histogram({
    registers: [registry],
    name: 'http_server_request_duration_seconds',
    help: 'Duration of requests by route and status',
    labelNames: ['http_request_method', 'http_route', 'http_response_status_code'],
    buckets: durationBuckets
  })
  app.addHook('onResponse', (request, reply, done) => {
    // The route, not the URL. A request without a route may also have any method, so both are replaced.
    const route = request.is404 ? undefined : request.routeOptions?.url
    requests.observe({
      http_request_method: route === undefined ? '_OTHER' : request.method,
      http_route: route ?? '',
      http_response_status_code: reply.statusCode
    }, reply.elapsedTime / 1000)
    done()
  })

  readOnDemand(registry, Counter, {
    name: 'http_server_broken_requests_total',
    help: 'Requests refused before routing, by status: 400 not HTTP, 408 too slow, 431 headers too large',
    labelNames: ['http_response_status_code'],
    read: () => Object.entries(app.brokenRequests.byStatus).map(([status, count]) => [{ http_response_status_code: status }, count])
  })

  app.admin.get('/metrics', { logLevel: 'warn', schema: { hide: true } }, async (_request, reply) => {
    reply.type(registry.contentType)
    return await registry.metrics()
  })
}, { name: 'metrics', dependencies: ['admin'] })
