import { fastify } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { IncomingMessage } from 'node:http'
import { loggerOptions } from '../logging/logger.js'
import type { Settings } from '../settings/settings.js'
import { requestTrace } from '../tracing/traceparent.js'
import { answerBrokenRequest, answerError, answerWithProblems } from './error-answers.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** What the events that this request leads to carry on: see `requestTrace`. */
    readonly traceparent: string
  }
}

/**
 * A Fastify instance with what every service wants of it: limits, logging, and problems as errors.
 *
 * @param logStream where the log goes instead of stdout
 */
export function createApp (name: string, settings: Pick<Settings, 'LOG_LEVEL'>, logStream?: NodeJS.WritableStream) {
  const app = fastify({
    logger: loggerOptions(name, settings.LOG_LEVEL, logStream) ?? false,
    bodyLimit: 16 * 1024,
    requestTimeout: 10_000, // headers and body must have arrived by then, else 408
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 500 },
    // What was sent is judged as it was sent: "1" is no number, and an unknown member is an error.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: true } },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    childLoggerFactory: (logger, bindings, options, request) =>
      logger.child({ ...bindings, trace_id: requestTrace(request as IncomingMessage).traceId }, options),
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: answerError
  }).withTypeProvider<TypeBoxTypeProvider>()

  app.decorateRequest('traceparent', { getter () { return requestTrace(this.raw).traceparent } })
  app.removeContentTypeParser('text/plain')
  answerWithProblems(app)

  // A request that never ends must not use up the grace time.
  app.addHook('preClose', async () => {
    setTimeout(() => app.server.closeAllConnections(), 2000).unref()
  })
  return app
}

export type App = ReturnType<typeof createApp>
