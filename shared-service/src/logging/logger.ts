import type { FastifyRequest, FastifyServerOptions } from 'fastify'
import { isatty } from 'node:tty'
import { destination } from 'pino'
import pretty from 'pino-pretty'
import { serializeError } from './errors.js'

const redacted = new Set(['email', 'username', 'payload', 'data', 'value', 'body'])
const deepest = 3

/** Logger of a service: JSON lines on stdout, or readable ones on a terminal. No email and no payload at any level. */
export function loggerOptions (service: string, level: string, stream: NodeJS.WritableStream = standardOutput()): FastifyServerOptions['logger'] {
  return {
    name: service,
    level,
    base: {},
    serializers: { err: serializeError, error: serializeError, req: describeRequest },
    formatters: { log: details => censor(details) },
    hooks: { logMethod: withoutPluginNoise },
    stream
  }
}

/**
 * A terminal gets each line at once. Elsewhere lines are written in the background, what has gathered during a write with the
 * next one: they cost a busy service half as much, and those of the last turn of the event loop are lost only by a kill -9. One for all loggers of a process.
 */
function standardOutput (): NodeJS.WritableStream {
  standard ??= openStandardOutput()
  return standard
}

let standard: NodeJS.WritableStream | undefined

function openStandardOutput (): NodeJS.WritableStream {
  // Not process.stdout: who touches it makes a pipe non-blocking, and a write that finds one full waits 100 ms.
  if (isatty(1)) return pretty({ sync: true, singleLine: true, ignore: 'pid,hostname' })
  return gathered(destination({ dest: 1, sync: false })) as NodeJS.WritableStream
}

/**
 * Hands the lines of one turn of the event loop on as one: what gathers in sonic-boom it counts anew, byte by byte, for
 * each line (4.2.1), which made ten times the garbage of the line itself.
 */
function gathered (out: ReturnType<typeof destination>): unknown {
  let lines = ''
  const flush = () => {
    if (lines !== '') out.write(lines)
    lines = ''
  }
  process.prependListener('exit', flush) // before pino's own last flush
  return {
    write (line: string) {
      if (lines === '') setImmediate(flush)
      lines += line
    },
    /** pino calls it after a fatal line. Not through `out`, which would only start to write. */
    flushSync () {
      out.flushSync()
      destination({ dest: 1, sync: true }).write(lines)
      lines = ''
    }
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
