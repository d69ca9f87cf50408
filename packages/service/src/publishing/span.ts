import { SpanKind } from '@opentelemetry/api'
import { inSpan } from '../tracing/spans.js'
import { spanContextOf } from '../tracing/traceparent.js'
import { errorType } from './push-metrics.js'
import type { Push } from './message.js'

/** @returns the push within a span `send <topic>` for each attempt, where an OpenTelemetry SDK is registered */
export function tracedPush (push: Push): Push {
  return row => inSpan(() => ({
    operation: 'send',
    topic: row.type,
    kind: SpanKind.CLIENT, // the request's span is the producer: what the event carries is its context
    created: spanContextOf(row.traceparent ?? undefined),
    attributes: { 'messaging.message.id': row.id }
  }), async fail => {
    try {
      return await push(row)
    } catch (error) {
      fail(errorType(error))
      throw error
    }
  })
}
