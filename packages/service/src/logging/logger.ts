import type { FastifyRequest, FastifyServerOptions } from 'fastify'
import { serializeError } from './errors.js'
import { standardOutput, type Output } from './standard-output.js'

const redacted = new Set(['email', 'username', 'payload', 'data', 'value', 'body'])
const deepest = 3

/** Logger options of a service: JSON lines on stdout, formatted lines on a terminal. No level logs emails or payloads. */
export function loggerOptions (service: string, level: string, stream: Output = standardOutput(service)): FastifyServerOptions['logger'] {
  return {
    name: service,
    level,
    base: {},
    serializers: { err: serializeError, error: serializeError, req: describeRequest },
    formatters: { log: details => censor(details) },
    hooks: { logMethod: withoutPluginNoise },
    stream: stream as NodeJS.WritableStream
  }
}

/** Redacts members by name, three levels deep. pino's `redact` copies every line; this copies only lines with a redacted member. */
function censor (details: Record<string, unknown>, level = 1): Record<string, unknown> {
  let censored: Record<string, unknown> | undefined
  for (const name in details) {
    const value = details[name]
    const shown = redacted.has(name) ? '[redacted]' : level < deepest && isPlain(value) ? censor(value, level + 1) : value
    if (shown !== value) (censored ??= { ...details })[name] = shown
  }
  return censored ?? details
}

function isPlain (value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Logs the route instead of the URL, which may contain an email. */
function describeRequest (request: FastifyRequest) {
  return { method: request.method, route: request.routeOptions?.url ?? 'none', remoteAddress: request.ip }
}

type LogMethod = NonNullable<NonNullable<Extract<NonNullable<FastifyServerOptions['logger']>, object>['hooks']>['logMethod']>

/**
 * Drops two outputs of @fastify/kafka: its error line for each failed push, because the outbox relay reports an outage once;
 * and the whole messages in its debug lines.
 */
const withoutPluginNoise: LogMethod = function (args, method) {
  const [first, second] = args as unknown[]
  if (second === 'kafka-producer:push-error') return
  if (typeof first === 'string' && first.startsWith('kafka-')) return method.call(this, first)
  method.apply(this, args)
}
