import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client'
import type { Statistics } from '@pair/kafka'
import { droppedLines } from '../logging/standard-output.js'
import { durationBuckets } from './buckets.js'
import { clientMetrics } from './client.js'
import { readOnDemand } from './read-on-demand.js'

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

  readOnDemand(registry, Counter, {
    name: 'log_lines_dropped_total',
    help: 'Lines of the log that were dropped, because nobody has read standard output',
    labelNames: [],
    read: () => [[{}, droppedLines()]]
  })

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

  readOnDemand(registry, Counter, {
    name: 'http_server_broken_requests_total',
    help: 'What was refused before it was a request, by status: 400 not HTTP, 408 too slow, 431 too many headers',
    labelNames: ['http_response_status_code'],
    read: () => Object.entries(app.brokenRequests.byStatus).map(([status, count]) => [{ http_response_status_code: status }, count])
  })

  app.admin.get('/metrics', { logLevel: 'warn', schema: { hide: true } }, async (_request, reply) => {
    reply.type(registry.contentType)
    return await registry.metrics()
  })
}, { name: 'metrics', dependencies: ['admin'] })
