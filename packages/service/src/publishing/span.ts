import { SpanKind } from '@opentelemetry/api'
import { inSpan } from '../tracing/spans.js'
import { spanContextOf } from '../tracing/traceparent.js'
import { errorType } from './push-metrics.js'
import type { Push } from './message.js'

/** Wraps each attempt of a push in a span `send <topic>` if an OpenTelemetry SDK is registered. */
export function tracedPush (push: Push): Push {
  return row => inSpan(() => ({
    operation: 'send',
    topic: row.type,
    kind: SpanKind.CLIENT, // not PRODUCER: the event carries the context of the request's span
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
