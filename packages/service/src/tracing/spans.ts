import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Attributes, type ProxyTracerProvider, type Span, type SpanContext, type Tracer, type TracerProvider } from '@opentelemetry/api'

export interface SpanOfEvent {
  operation: 'send' | 'process'
  topic: string
  kind: SpanKind
  /** The span of the request that created the event. It becomes parent and link, also in another process and later. */
  created: SpanContext | undefined
  attributes: Attributes
}

/** Marks a span as failed, with an error type instead of the error, whose text may quote data. */
type Fail = (errorType: string) => void

/** Runs a task within a span if an OpenTelemetry SDK is registered. */
export function inSpan<Result> (describe: () => SpanOfEvent, task: (fail: Fail) => Promise<Result>): Promise<Result> {
  const tracer = sdkTracer()
  return tracer === undefined ? task(noFail) : inSpanOf(tracer, describe, task)
}

const noFail = () => {}

/** @see https://opentelemetry.io/docs/specs/semconv/messaging/kafka/ */
async function inSpanOf<Result> (tracer: Tracer, describe: () => SpanOfEvent, task: (fail: Fail) => Promise<Result>): Promise<Result> {
  const started = guarded(() => start(tracer, describe()))
  if (started === undefined) return await task(noFail)
  const { span, parent } = started
  try {
    return await context.with(trace.setSpan(parent, span), task, undefined, (type: string) => guarded(() => {
      span.setAttribute('error.type', type).setStatus({ code: SpanStatusCode.ERROR })
    }))
  } finally {
    guarded(() => span.end())
  }
}

function start (tracer: Tracer, { operation, topic, kind, created, attributes }: SpanOfEvent): { span: Span, parent: typeof ROOT_CONTEXT } {
  const parent = created === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, created)
  const span = tracer.startSpan(`${operation} ${topic}`, {
    kind,
    attributes: {
      'messaging.system': 'kafka',
      'messaging.operation.name': operation,
      'messaging.operation.type': operation,
      'messaging.destination.name': topic,
      ...attributes
    },
    links: created === undefined ? [] : [{ context: created }]
  }, parent)
  return { span, parent }
}

/** The SDK's tracer; undefined if no SDK is registered, so that no span is built. */
function sdkTracer (): Tracer | undefined {
  const provider = trace.getTracerProvider() as TracerProvider & Partial<ProxyTracerProvider>
  return provider.getDelegateTracer === undefined ? provider.getTracer('@pair/service') : provider.getDelegateTracer('@pair/service')
}

/** Ignores errors: an SDK calls processors and samplers whose failure must not fail the message. */
function guarded<Result> (call: () => Result): Result | undefined {
  try {
    return call()
  } catch {
    return undefined
  }
}
