import { fastify } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { IncomingMessage } from 'node:http'
import { loggerOptions } from '../logging/logger.js'
import { RequestLog } from '../logging/request-log.js'
import { kafkaName } from '@pair/events'
import type { Settings } from '../settings/settings.js'
import { requestTrace } from '../tracing/traceparent.js'
import { answerWhileEnding } from './closing.js'
import { answerError, answerWithProblems } from './error-answers.js'
import { overload } from './overload.js'
import { answerRefusals, BrokenRequests } from './refused.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** All settings as read at the start, including those of the service's own. */
    settings: Settings
    /** Name of a topic or group on the broker, with KAFKA_PREFIX. */
    kafkaName (name: string): string
    /** True from SIGTERM on. The service answers requests for SHUTDOWN_DELAY_MS more, until balancers have noticed. */
    isLeaving: boolean
    brokenRequests: BrokenRequests
  }
  interface FastifyRequest {
    /** Trace context for the events that this request causes: see `requestTrace`. */
    readonly traceparent: string
  }
}

/**
 * A Fastify instance with the limits, logging and error answers (problem details) of every service.
 *
 * @param logStream destination of the log; default: stdout
 */
export function createApp (name: string, settings: Pick<Settings, 'LOG_LEVEL'> & Partial<Settings>, logStream?: NodeJS.WritableStream) {
  const broken = new BrokenRequests()
  const app = fastify({
    logger: loggerOptions(name, settings.LOG_LEVEL, logStream) ?? false,
    logController: new RequestLog(),
    bodyLimit: 16 * 1024,
    requestTimeout: 10_000, // ms for headers and body to arrive, else 408
    keepAliveTimeout: settings.KEEP_ALIVE_TIMEOUT_MS ?? 72_000,
    // refused.ts answers a request without a host.
    http: { requireHostHeader: false, headersTimeout: 10_000, connectionsCheckingInterval: 500 },
    // Input is validated without conversion: "1" is not a number, and an unknown member is an error.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: true } },
    return503OnClosing: false, // Fastify's answer is not a problem document; closing.ts sends one
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    childLoggerFactory: (logger, bindings, options, request) =>
      logger.child({ ...bindings, trace_id: requestTrace(request as IncomingMessage).traceId }, options),
    clientErrorHandler: (error, socket) => broken.answer(error, socket),
    frameworkErrors: answerError
  }).withTypeProvider<TypeBoxTypeProvider>()

  app.decorate('settings', settings as Settings)
  app.decorate('kafkaName', name => kafkaName(settings.KAFKA_PREFIX ?? '', name))
  app.decorate('isLeaving', false)
  app.decorate('brokenRequests', broken)
  broken.log = app.log
  app.decorateRequest('traceparent', { getter () { return requestTrace(this.raw).traceparent } })
  app.removeContentTypeParser('text/plain')
  answerWithProblems(app)
  answerWhileEnding(app)
  answerRefusals(app)
  app.register(overload)

  return app
}

export type App = ReturnType<typeof createApp>
