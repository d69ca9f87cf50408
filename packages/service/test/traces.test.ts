import { context, INVALID_SPAN_CONTEXT, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { AlwaysOffSampler, AlwaysOnSampler, InMemorySpanExporter, NodeTracerProvider, ParentBasedSampler, SimpleSpanProcessor, type Sampler } from '@opentelemetry/sdk-trace-node'
import Fastify from 'fastify'
import { Registry } from 'prom-client'
import type { Message } from '@pair/kafka'
import { createApp, type Handle } from '@pair/service'
import { userRegister, userRegisterExample as example } from '@pair/shared-topics'
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { MessageProcessor } from '../dist/messages/processor.js'
import { MessageMetrics } from '../dist/messages/metrics.js'
import { processSpan } from '../dist/messages/span.js'
import { tracedPush } from '../dist/publishing/span.js'
import { requestSpan } from '../dist/request-reply/span.js'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const spanId = '00f067aa0ba902b7'
const traceparent = `00-${traceId}-${spanId}-01`
const row = { id: 'event', aggregateid: 'user', type: 'user_register', payload: '{}', traceparent }

/** What the events of a request would carry on. */
async function requestWith (headers = {}) {
  const app = createApp('x', { LOG_LEVEL: 'silent' })
  app.get('/', async request => request.traceparent)
  return (await app.inject({ url: '/', headers })).body
}

async function take (handle: Handle<typeof example.data>, value: unknown = { ...example, traceparent }) {
  const lines: Array<Record<string, unknown>> = []
  const path = new MessageProcessor({
    consumer: { topic: userRegister, handle },
    group: 'profile-service',
    sendDeadLetter: async () => {},
    metrics: new MessageMetrics(new Registry(), 'profile-service').of(userRegister.name),
    log: Fastify({ logger: { stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } }).log
  })
  const message = { topic: 'user_register', partition: 1, offset: 7, key: null, headers: [], timestamp: 0, release () {}, value: Buffer.from(JSON.stringify(value)) }
  await new Promise<void>(resolve => path.listener(message satisfies Message, resolve))
  await new Promise(setImmediate) // a span ends once its task is told
  return lines
}

test('without an SDK the lines of a handler carry the trace id of its event, and those of an event without one carry none', async () => {
  const handle: Handle<typeof example.data> = async (_event, { log }) => { log.info('handled') }
  expect(await take(handle)).toEqual([expect.objectContaining({ msg: 'handled', trace_id: traceId })])
  for (const value of [{ ...example, traceparent: undefined }, { ...example, traceparent: 'nonsense' }]) {
    const [line] = await take(handle, value)
    expect(line).toHaveProperty('eventId')
    expect(line).not.toHaveProperty('trace_id')
  }
})

describe('with an OpenTelemetry SDK', () => {
  // A process has one SDK.
  const exporter = new InMemorySpanExporter()
  const processor = new SimpleSpanProcessor(exporter)
  let sampler: Sampler

  beforeAll(() => {
    const asNow: Sampler = { shouldSample: (...args) => sampler.shouldSample(...args) }
    new NodeTracerProvider({ sampler: asNow, spanProcessors: [processor] }).register()
  })
  beforeEach(() => {
    sampler = new ParentBasedSampler({ root: new AlwaysOnSampler() })
    exporter.reset()
  })

  test('a request\'s traceparent is that of its span', async () => {
    await trace.getTracer('http').startActiveSpan('GET /', async span => {
      const { traceId, spanId } = span.spanContext()
      expect(await requestWith({ traceparent })).toBe(`00-${traceId}-${spanId}-01`)
    })
  })

  test('a handler runs in a span whose parent is the one that the event was made in', async () => {
    let active
    await take(async () => {
      await new Promise(setImmediate)
      active = trace.getActiveSpan()?.spanContext().spanId
    })
    expect(exporter.getFinishedSpans()).toHaveLength(1)
    const [span] = exporter.getFinishedSpans()
    expect(span?.spanContext()).toMatchObject({ traceId, spanId: active })
    expect(span).toMatchObject({
      name: 'process user_register',
      kind: 4,
      parentSpanContext: { traceId, spanId, isRemote: true },
      links: [{ context: { traceId, spanId } }],
      status: { code: 0 },
      attributes: {
        'messaging.system': 'kafka',
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
        'messaging.destination.name': 'user_register',
        'messaging.destination.partition.id': '1',
        'messaging.kafka.offset': 7,
        'messaging.consumer.group.name': 'profile-service',
        'messaging.message.id': example.id
      }
    })
  })

  test.each([
    ['no event', 'not-valid', async () => {}, 'secret'],
    ['refused', 'refused', async () => { throw Object.assign(new Error('secret'), { severity: 'ERROR', code: '22021' }) }, undefined]
  ])('the span of a message that is %s names the reason, and quotes nothing', async (_what, reason, handle, value) => {
    await take(handle, value)
    const [span] = exporter.getFinishedSpans()
    expect(span).toMatchObject({ name: 'process user_register', attributes: { 'error.type': reason }, status: { code: 2 }, events: [] })
    expect(JSON.stringify([span?.attributes, span?.status])).not.toContain('secret')
  })

  test('each attempt to send has a span, a failed one with the name of the error', async () => {
    const push = tracedPush(async () => { throw Object.assign(new Error('secret'), { codeName: 'ERR__MSG_TIMED_OUT' }) })
    await expect(push(row)).rejects.toThrow('secret')
    await tracedPush(async () => {})(row)
    await tracedPush(async () => {})({ ...row, traceparent: null })
    const [failed, sent, alone] = exporter.getFinishedSpans()
    for (const span of [failed, sent]) expect(span).toMatchObject({ name: 'send user_register', kind: 2, parentSpanContext: { traceId, spanId }, links: [{ context: { spanId } }] })
    expect(failed).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': 'ERR__MSG_TIMED_OUT', 'messaging.message.id': 'event' } })
    expect(sent).toMatchObject({ status: { code: 0 } })
    expect(alone).toMatchObject({ parentSpanContext: undefined, links: [] })
  })

  test('an active span that is none leaves the traceparent of the caller', async () => {
    await context.with(trace.setSpanContext(ROOT_CONTEXT, INVALID_SPAN_CONTEXT), async () => {
      expect(await requestWith({ traceparent })).toBe(traceparent)
    })
  })

  test.each(['onStart', 'onEnd'] as const)('a span processor that throws (%s) keeps no message from its commit and no push from its end', async method => {
    const thrown = vi.spyOn(processor, method).mockImplementation(() => { throw new Error('telemetry') })
    await take(async () => {})
    await tracedPush(async () => {})(row)
    expect(thrown).toHaveBeenCalledTimes(2)
    thrown.mockRestore()
  })

  test('a message that is given back at a stop is no failure', async () => {
    await processSpan({ message: {} as Message, eventId: undefined, created: undefined, group: 'x' }, async () => { throw new Error('stop') }).catch(() => {})
    expect(exporter.getFinishedSpans()[0]).toMatchObject({ status: { code: 0 } })
  })

  test('what the caller did not sample has no spans', async () => {
    await take(async () => {}, { ...example, traceparent: `00-${traceId}-${spanId}-00` })
    await tracedPush(async () => {})({ ...row, traceparent: `00-${traceId}-${spanId}-00` })
    expect(exporter.getFinishedSpans()).toEqual([])
  })

  test('what is not sampled here is told to be so', async () => {
    sampler = new AlwaysOffSampler()
    await trace.getTracer('http').startActiveSpan('GET /', async () => {
      expect(await requestWith()).toMatch(/-00$/)
    })
  })

  test('a request and a reply are sent within a span of the trace that they carry, which says that it failed, and not with what', async () => {
    await requestSpan('price_request', { ...example, traceparent }, async () => {})
    await requestSpan('price_request', { ...example, traceparent }, async () => { throw Object.assign(new Error('secret'), { codeName: 'ERR__MSG_TIMED_OUT' }) }).catch(() => {})
    const [sent, failed] = exporter.getFinishedSpans()
    expect(sent).toMatchObject({ name: 'send price_request', attributes: { 'messaging.message.id': example.id } })
    expect(sent?.spanContext().traceId).toBe(traceId)
    expect(failed?.attributes).toMatchObject({ 'error.type': 'ERR__MSG_TIMED_OUT' })
    expect(JSON.stringify([failed?.attributes, failed?.events, failed?.status])).not.toContain('secret')
  })
})
