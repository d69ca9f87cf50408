import { context, trace, type SpanContext } from '@opentelemetry/api'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import { randomUUID } from 'node:crypto'
import { userRegister } from '@pair/shared-topics'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { eventually, newUser, profileOf, registered } from './fixtures/services.js'
import { build } from './fixtures/settings.js'
import { brokers, newEvent, onBroker, openDatabase, prefix, put, startPair, useBroker } from './fixtures/harness.js'

const traceId = () => randomUUID().replaceAll('-', '')
const spanId = () => traceId().slice(16)

useBroker()

test('the lines of both services that are about a registration carry one trace id, that of its request or a new one', async () => {
  const { user, profile } = await startPair()
  const caller = traceId()
  const told = await registered(user, newUser(), { traceparent: `00-${caller}-${spanId()}-01` })
  const untold = await registered(user)
  for (const { body } of [told, untold]) await profileOf(profile, body.user.id)

  const about = async (id: string) => {
    const { trace_id: trace, eventId, reqId } = await eventually(() => {
      const registered = user.lines.find(({ msg, userId }) => msg === 'user registered' && userId === id)
      expect(registered).toBeDefined()
      return registered ?? {}
    })
    await eventually(() => expect(user.lines).toContainEqual(expect.objectContaining({ msg: 'event sent', eventId, trace_id: trace })))
    await eventually(() => expect(profile.lines).toContainEqual(expect.objectContaining({ msg: 'profile created', eventId, trace_id: trace })))
    await eventually(() => expect(user.lines).toContainEqual(expect.objectContaining({ msg: 'request completed', reqId, trace_id: trace })))
    return trace
  }
  expect(await about(told.body.user.id)).toBe(caller)
  const made = await about(untold.body.user.id)
  expect(made).toMatch(/^[0-9a-f]{32}$/)
  expect(made).not.toBe(caller)
})

// Both services in this process, with a real SDK.
const exporter = new InMemorySpanExporter()

beforeAll(() => {
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register()
})
afterAll(() => {
  trace.disable()
  context.disable()
})

async function started (name: 'user' | 'profile', DATABASE_URL: string) {
  const app = await build(name, { KAFKA_BROKERS: brokers, KAFKA_PREFIX: prefix, KAFKA_SESSION_TIMEOUT_MS: '6000', DATABASE_URL })
  onTestFinished(() => app.close())
  await app.ready()
  await app.database.migrated
  return app
}

const spansOf = (trace: string) => exporter.getFinishedSpans().filter(span => span.spanContext().traceId === trace)
const isReady = async (app: Awaited<ReturnType<typeof build>>) => expect((await app.inject('/health/ready')).statusCode).toBe(200)

test('with an OpenTelemetry SDK a registration is one trace: its request, send user_register and process user_register, linked across the outbox', async () => {
  const topic = onBroker(userRegister.name)
  const [users, profiles] = [await openDatabase(), await openDatabase()]
  const profile = await started('profile', profiles.url)
  await eventually(() => isReady(profile))
  const user = await started('user', users.url)

  let request: SpanContext | undefined
  await trace.getTracer('test').startActiveSpan('POST /user/register', async span => {
    request = span.spanContext()
    expect((await user.inject({ method: 'POST', url: '/user/register', payload: newUser() })).statusCode).toBe(201)
    span.end()
  })

  const spans = await eventually(() => {
    const spans = spansOf(request?.traceId ?? '')
    expect(spans.map(({ name }) => name).sort()).toEqual(['POST /user/register', `process ${topic}`, `send ${topic}`])
    return spans
  })
  const [processed, sent] = [`process ${topic}`, `send ${topic}`].map(wanted => spans.find(({ name }) => name === wanted))
  for (const span of [processed, sent]) {
    expect(span?.parentSpanContext?.spanId).toBe(request?.spanId)
    expect(span?.links).toEqual([expect.objectContaining({ context: expect.objectContaining({ spanId: request?.spanId }) })])
    expect(span?.status.code).toBe(0)
  }
  expect(processed?.attributes['messaging.message.id']).toBe(sent?.attributes['messaging.message.id'])
})

test('an event that a crash left in the outbox is sent within the trace of its request', async () => {
  const users = await openDatabase()
  await (await started('user', users.url)).close()
  const event = newEvent()
  const [trace, span] = [traceId(), spanId()]
  await users.client.query('insert into outbox (id, aggregatetype, aggregateid, type, payload, traceparent) values ($1, $2, $3, $4, $5, $6)',
    [event.id, 'user', event.data.id, userRegister.name, JSON.stringify(event), `00-${trace}-${span}-01`])
  await started('user', users.url)
  await eventually(() => expect(spansOf(trace)).toEqual([expect.objectContaining({ name: `send ${onBroker(userRegister.name)}`, parentSpanContext: expect.objectContaining({ spanId: span }) })]))
})

test('a message that is no event has a span of its own that says so', async () => {
  const profile = await started('profile', (await openDatabase()).url)
  await eventually(() => isReady(profile))
  const [place] = await put({ value: 'not an event' })
  await eventually(() => expect(exporter.getFinishedSpans().map(({ name, attributes, status }) => ({ name, attributes, status }))).toContainEqual({
    name: `process ${onBroker(userRegister.name)}`,
    attributes: expect.objectContaining({ 'error.type': 'not-decodable', 'messaging.kafka.offset': place?.offset, 'messaging.destination.partition.id': String(place?.partition) }),
    status: { code: 2 }
  }))
})
