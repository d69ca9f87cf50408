import { isSpanContextValid, trace, TraceFlags, type SpanContext } from '@opentelemetry/api'
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

// Versions after 00 may append members, each after a hyphen.
const pattern = /^(?!ff|00.{54})[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/

/**
 * The span context of a traceparent; undefined if it is missing or invalid.
 *
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
export function spanContextOf (traceparent: string | undefined): SpanContext | undefined {
  const [, traceId = '', spanId = '', flags = ''] = pattern.exec(traceparent ?? '') ?? []
  const span = { traceId, spanId, traceFlags: parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true }
  return isSpanContextValid(span) ? span : undefined
}

const perRequest = Symbol('trace')

interface Trace { traceparent: string, traceId: string }

/**
 * The trace of a request: that of the active OpenTelemetry span, else that of its traceparent header, else a new one. A new
 * trace is marked as sampled; otherwise an SDK in a later service would create no spans.
 */
export function requestTrace (request: IncomingMessage & { [perRequest]?: Trace }): Trace {
  const known = request[perRequest]
  if (known !== undefined) return known
  const { traceId, spanId, traceFlags } = activeSpan() ?? receivedSpan(request) ?? newSpan()
  const made = { traceparent: `00-${traceId}-${spanId}-0${traceFlags & TraceFlags.SAMPLED}`, traceId }
  request[perRequest] = made
  return made
}

function activeSpan (): SpanContext | undefined {
  const span = trace.getActiveSpan()?.spanContext()
  return span !== undefined && isSpanContextValid(span) ? span : undefined
}

function receivedSpan ({ headers }: IncomingMessage): SpanContext | undefined {
  const { traceparent } = headers
  return typeof traceparent === 'string' ? spanContextOf(traceparent) : undefined
}

/** Ids from UUIDs: their fixed bits are outside of the last 7 bytes, whose randomness samplers use. */
function newSpan (): SpanContext {
  return { traceId: randomUUID().replaceAll('-', ''), spanId: randomUUID().replaceAll('-', '').slice(16), traceFlags: TraceFlags.SAMPLED }
}
