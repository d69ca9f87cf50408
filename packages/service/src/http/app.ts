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
    /** As they were read at the start, the service's own included. */
    settings: Settings
    /** A topic's or group's name as the broker knows it, with KAFKA_PREFIX. */
    kafkaName (name: string): string
    /** After SIGTERM, while it still serves until balancers have noticed. */
    isLeaving: boolean
    brokenRequests: BrokenRequests
  }
  interface FastifyRequest {
    /** What the events that this request leads to carry on: see `requestTrace`. */
    readonly traceparent: string
  }
}

/**
 * A Fastify instance with the limits, logging and error answers (problem details) of every service.
 *
 * @param logStream where the log goes instead of stdout
 */
export function createApp (name: string, settings: Pick<Settings, 'LOG_LEVEL'> & Partial<Settings>, logStream?: NodeJS.WritableStream) {
  const broken = new BrokenRequests()
  const app = fastify({
    logger: loggerOptions(name, settings.LOG_LEVEL, logStream) ?? false,
    logController: new RequestLog(),
    bodyLimit: 16 * 1024,
    requestTimeout: 10_000, // headers and body must have arrived by then, else 408
    keepAliveTimeout: settings.KEEP_ALIVE_TIMEOUT_MS ?? 72_000,
    // A request without a host is answered in refused.ts.
    http: { requireHostHeader: false, headersTimeout: 10_000, connectionsCheckingInterval: 500 },
    // Input is validated as it was sent: "1" is no number, and an unknown member is an error.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: true } },
    return503OnClosing: false, // its answer is no problem: see closing.ts
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
