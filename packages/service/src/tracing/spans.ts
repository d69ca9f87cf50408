import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Attributes, type ProxyTracerProvider, type Span, type SpanContext, type Tracer, type TracerProvider } from '@opentelemetry/api'

export interface SpanOfEvent {
  operation: 'send' | 'process'
  topic: string
  kind: SpanKind
  /** The span in whose request the event was made: parent and link, whenever and in whatever process this one is made. */
  created: SpanContext | undefined
  attributes: Attributes
}

/** Marks a span as failed. Never with the error itself: what it says may quote a value. */
type Fail = (errorType: string) => void

/** Runs a task within a span, where an OpenTelemetry SDK is registered. */
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

/** Undefined where no SDK is registered: then nothing is done for a span. */
function sdkTracer (): Tracer | undefined {
  const provider = trace.getTracerProvider() as TracerProvider & Partial<ProxyTracerProvider>
  return provider.getDelegateTracer === undefined ? provider.getTracer('@pair/service') : provider.getDelegateTracer('@pair/service')
}

/** An SDK calls processors and samplers of others; what fails there is no failure of the message. */
function guarded<Result> (call: () => Result): Result | undefined {
  try {
    return call()
  } catch {
    return undefined
  }
}
