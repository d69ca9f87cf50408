import type { FastifyRequest, FastifyServerOptions } from 'fastify'
import { serializeError } from './errors.js'
import { standardOutput, type Output } from './standard-output.js'

const redacted = new Set(['email', 'username', 'payload', 'data', 'value', 'body'])
const deepest = 3

/** Logger of a service: JSON lines on stdout, or readable ones on a terminal. No email and no payload at any level. */
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

/** What pino's `redact` does, for three levels; but that copies every line, and this only one that says too much. */
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
