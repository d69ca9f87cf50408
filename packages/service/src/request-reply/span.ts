import { SpanKind } from '@opentelemetry/api'
import type { Event } from '@pair/events'
import { inSpan } from '../tracing/spans.js'
import { spanContextOf } from '../tracing/traceparent.js'

/** Sends a request or a reply within a span `send <topic>` if an OpenTelemetry SDK is registered. */
export function requestSpan<Result> (topic: string, event: Event, send: () => Promise<Result>): Promise<Result> {
  return inSpan(() => ({
    operation: 'send',
    topic,
    kind: SpanKind.CLIENT,
    created: spanContextOf(event.traceparent),
    attributes: { 'messaging.message.id': event.id }
  }), async fail => {
    try {
      return await send()
    } catch (error) {
      fail(String((error as { codeName?: unknown }).codeName ?? '_OTHER'))
      throw error
    }
  })
}
