import { SpanKind, type SpanContext } from '@opentelemetry/api'
import type { Message } from '@pair/kafka'
import { inSpan } from '../tracing/spans.js'
import type { Outcome } from '../inbox/inbox.js'
import type { Failure } from './dead-letters.js'

interface Processing { message: Message, eventId: string | undefined, created: SpanContext | undefined, group: string }

/** Runs the processing of a message, all attempts included, within a span `process <topic>` if an OpenTelemetry SDK is registered. */
export function processSpan ({ message, eventId, created, group }: Processing, task: () => Promise<Outcome | Failure>): Promise<Outcome | Failure> {
  return inSpan(() => ({
    operation: 'process',
    topic: message.topic,
    kind: SpanKind.CONSUMER,
    created,
    attributes: {
      'messaging.consumer.group.name': group,
      'messaging.destination.partition.id': String(message.partition),
      'messaging.kafka.offset': message.offset,
      ...(eventId === undefined ? {} : { 'messaging.message.id': eventId })
    }
  }), async fail => {
    const outcome = await task()
    if (typeof outcome === 'object') fail(outcome.reason)
    return outcome
  })
}
