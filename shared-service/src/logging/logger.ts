import type { FastifyRequest, FastifyServerOptions } from 'fastify'
import pretty from 'pino-pretty'
import { serializeError } from './errors.js'

const redacted = ['email', 'username', 'payload', 'data', 'value', 'body']

/** Logger of a service: JSON lines on stdout, or readable ones on a terminal. No email and no payload at any level. */
export function loggerOptions (service: string, level: string, stream = terminal()): FastifyServerOptions['logger'] {
  return {
    name: service,
    level,
    base: {},
    redact: { paths: redacted.flatMap(name => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
    serializers: { err: serializeError, error: serializeError, req: describeRequest },
    hooks: { logMethod: withoutPluginNoise },
    ...(stream === undefined ? {} : { stream })
  }
}

/** Written at once, as the plain log is: the last line of a process that ends is not lost. */
function terminal (): NodeJS.WritableStream | undefined {
  return process.stdout.isTTY ? pretty({ sync: true, singleLine: true, ignore: 'pid,hostname' }) : undefined
}

/** The route, not the address that was typed: people put emails into addresses. */
function describeRequest (request: FastifyRequest) {
  return { method: request.method, route: request.routeOptions?.url ?? 'none', remoteAddress: request.ip }
}

type LogMethod = NonNullable<NonNullable<Extract<NonNullable<FastifyServerOptions['logger']>, object>['hooks']>['logMethod']>

/**
 * @fastify/kafka logs each failed push as an error, which the outbox relay reports once for all of them; and it hands
 * whole messages to its debug lines.
 */
const withoutPluginNoise: LogMethod = function (args, method) {
  const [first, second] = args as unknown[]
  if (second === 'kafka-producer:push-error') return
  if (typeof first === 'string' && first.startsWith('kafka-')) return method.call(this, first)
  method.apply(this, args)
}
