import { PassThrough } from 'node:stream'
import { LiveReader, Producer } from '@pair/kafka'
import { createReply, type Request } from '@pair/events'
import { buildService, permanent, ProblemError, ReplyError, transient, type ServicePlugin } from '@pair/service'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { newName, read } from '../../../test/fixtures/records.js'
import { settingsOf } from '../../../test/fixtures/settings.js'
import { newPriceRequest, type PriceRequest } from './price-request.js'

const brokers = inject('kafkaBrokers')
const eventually = <T>(fact: () => T | Promise<T>, timeout = 120_000) => vi.waitFor(fact, { timeout, interval: 20 })
const failure = (promise: Promise<unknown>) => promise.then(() => undefined, (error: Error & { code?: string }) => error)
const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

/** A service without a database, in this process, and its log. */
async function newService (plugin: ServicePlugin, name = `${newName('s')}-service`) {
  const log = new PassThrough()
  const lines: Array<Record<string, unknown>> = []
  log.setEncoding('utf8').on('data', chunk => { for (const line of String(chunk).split('\n').filter(Boolean)) lines.push(JSON.parse(line)) })
  const settings = { ...settingsOf({ KAFKA_BROKERS: brokers, DATABASE_URL: 'postgres://x@127.0.0.1:1/x' }), LOG_LEVEL: 'info', KAFKA_FETCH_WAIT_MAX_MS: 10, KAFKA_SESSION_TIMEOUT_MS: 3000 }
  const manifest = { name, folder: '/nowhere', port: 3999, hasDatabase: false }
  const app = await buildService(manifest, plugin, settings, error => { throw error }, log)
  await app.ready()
  onTestFinished(() => app.close())
  return { app, lines }
}

/** A service that answers, a member of its group, and one that asks. */
async function newPair (answer: (data: { productId: string }, request: Request) => { cents: number } | Promise<{ cents: number }>, topic = newPriceRequest()) {
  const answerer = await newService(async app => app.answer(topic, async (request, { log }) => {
    log.info('answering')
    return await answer(request.data, request)
  }))
  const asker = await newService(async app => { app.asks(topic) })
  await eventually(async () => expect((await answerer.app.inject('/health/ready')).statusCode).toBe(200), 60_000)
  return { topic, answerer, asker, ask: (productId: string, timeoutMs = 120_000) => asker.app.ask(topic, { productId }, { timeoutMs }) }
}

async function metricsOf ({ app }: Awaited<ReturnType<typeof newService>>) {
  const text = (await app.inject('/metrics')).body
  return (name: string, labels: Record<string, string>) => {
    const line = text.split('\n').find(line => line.startsWith(`${name}{`) && Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`)))
    return Number(line?.slice(line.lastIndexOf(' ')))
  }
}

/** Puts records on a topic, past the services. */
async function put (topic: string, ...messages: Array<{ value: unknown, key?: string }>) {
  const producer = new Producer({ bootstrapBrokers: brokers.split(',') })
  onTestFinished(() => producer.close())
  await producer.send({ messages: messages.map(message => ({ topic, ...message })) })
}

async function newRequests (topic: PriceRequest, count: number): Promise<Request[]> {
  const records = await read(topic.name, count, { from: [0, 1, 2, 3].map(partition => ({ partition })) })
  return records.map(({ value }) => JSON.parse(String(value)))
}

test('an ask is answered with what the answerer returns, and no payload stands in a log', async () => {
  const { asker, answerer, topic, ask } = await newPair(({ productId }) => ({ cents: productId.length }))
  expect(await ask('secret')).toEqual({ cents: 6 })
  expect((await metricsOf(asker))('asks_total', { messaging_destination_name: topic.name, outcome: 'answered' })).toBe(1)
  expect((await metricsOf(asker))('asks_pending', { messaging_destination_name: topic.name })).toBe(0)
  await eventually(async () => expect((await metricsOf(answerer))('requests_answered_total', { messaging_destination_name: topic.name, outcome: 'answered' })).toBe(1))
  expect(answerer.lines.filter(({ msg }) => msg === 'answering')).toHaveLength(1)
  expect(JSON.stringify([asker.lines, answerer.lines])).not.toMatch(/secret|cents/)
})

test('request and reply name each other, the cause and the trace', async () => {
  const { asker, topic } = await newPair(() => ({ cents: 1 }))
  await asker.app.ask(topic, { productId: 'x' }, { timeoutMs: 120_000, traceparent, causationId: 'e1' })
  const [request] = await newRequests(topic, 1)
  const [reply] = await newRequests({ ...topic, name: `${topic.name}.reply` }, 1)
  expect(request).toMatchObject({ type: topic.name, causationid: 'e1', replyto: `${topic.name}.reply`, traceparent, data: { productId: 'x' } })
  expect(reply).toMatchObject({ type: `${topic.name}.reply`, correlationid: request?.correlationid, causationid: request?.id, traceparent, data: { cents: 1 } })
  expect(Date.parse(String(request?.expirytime)) - Date.parse(String(request?.time))).toBeGreaterThan(0)
})

test('an ask that comes before the replies can be read waits for that, and misses none', async () => {
  const [first, ...topics] = Array.from({ length: 4 }, newPriceRequest) as [PriceRequest, ...PriceRequest[]]
  const answerer = await newService(async app => { for (const topic of [first, ...topics]) app.answer(topic, () => ({ cents: 1 })) })
  await eventually(async () => expect((await answerer.app.inject('/health/ready')).statusCode).toBe(200), 60_000)
  const { app } = await newService(async () => {})
  await eventually(async () => expect(await app.ask(first, { productId: 'x' }, { timeoutMs: 2000 })).toEqual({ cents: 1 })) // sends at once from here on
  for (const topic of topics) {
    expect(await Promise.all(Array.from({ length: 20 }, () => app.ask(topic, { productId: 'x' }, { timeoutMs: 60_000 })))).toHaveLength(20)
  }
})

test('2,000 asks at once, of two who ask, are answered by two, each with its own reply', async () => {
  const topic = newPriceRequest()
  const group = `${newName('s')}-service`
  const answering: ServicePlugin = async app => app.answer(topic, ({ data }) => ({ cents: Number(data.productId) }), { concurrency: 50 })
  const answerers = [await newService(answering, group), await newService(answering, group)]
  const askers = await Promise.all([0, 1].map(() => newService(async app => { app.asks(topic) })))
  for (const { app } of answerers) await eventually(async () => expect((await app.inject('/health/consuming')).statusCode).toBe(200), 60_000)
  const asks = askers.flatMap(({ app }, asker) => Array.from({ length: 1000 }, async (_, index) => {
    const number = asker * 1000 + index
    return (await app.ask(topic, { productId: String(number) }, { timeoutMs: 120_000 })).cents === number
  }))
  expect((await Promise.all(asks)).filter(Boolean)).toHaveLength(2000)
  for (const asker of askers) {
    const value = await metricsOf(asker)
    expect(value('asks_pending', { messaging_destination_name: topic.name })).toBe(0)
    await eventually(async () => expect((await metricsOf(asker))('replies_dropped_total', { reason: 'foreign' })).toBe(1000))
    expect(value('replies_dropped_total', { reason: 'unreadable' })).toBe(0)
  }
  const answered = () => Promise.all(answerers.map(async answerer => (await metricsOf(answerer))('requests_answered_total', { outcome: 'answered' })))
  // Counted when the reply is acknowledged, which its asker may be told of before. A rebalance may bring one twice.
  await eventually(async () => expect((await answered()).reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(2000))
}, 120_000)

test('without an answerer an ask ends at its timeout, leaves nothing behind, and a GET answers 504', async () => {
  const topic = newPriceRequest()
  const asker = await newService(async app => {
    const ask = app.asks(topic)
    app.get('/price/:id', async request => await ask({ productId: (request.params as { id: string }).id }, { timeoutMs: 300, traceparent: request.traceparent }))
    app.get('/mapped', async () => await ask({ productId: 'x' }, { timeoutMs: 100 }).catch(error => {
      if (error.code === 'ERR_ASK_TIMEOUT') throw new ProblemError(504)
      throw error
    }))
  })
  const answers = await Promise.all(['/price/secret', '/mapped'].map(url => asker.app.inject(url)))
  for (const answer of answers) {
    expect(answer.statusCode).toBe(504)
    expect(answer.json()).toEqual({ type: 'urn:problem:timeout-upstream', title: 'A service that was asked did not answer in time', status: 504 })
  }
  const errors = await Promise.all(Array.from({ length: 1000 }, () => failure(asker.app.ask(topic, { productId: 'x' }, { timeoutMs: 500 }))))
  for (const error of errors) expect(error).toMatchObject({ name: 'TimeoutError', code: 'ERR_ASK_TIMEOUT', message: `no reply to ${topic.name} within 500 ms` })
  const value = await metricsOf(asker)
  expect(value('asks_total', { outcome: 'timeout' })).toBe(1002)
  expect(value('asks_pending', { messaging_destination_name: topic.name })).toBe(0)
  expect(JSON.stringify(asker.lines.map(({ req: _, ...line }) => line))).not.toContain('secret')
})

test('a late reply is counted and dropped, and a request whose time is over is not answered', async () => {
  let release = () => {}
  const held = new Promise<void>(resolve => { release = resolve })
  const { topic, asker, answerer, ask } = await newPair(async () => { await held; return { cents: 1 } })
  expect(await failure(ask('x', 1000))).toMatchObject({ code: 'ERR_ASK_TIMEOUT' })
  release()
  await eventually(async () => expect((await metricsOf(asker))('replies_dropped_total', { reason: 'late' })).toBe(1))
  expect(await ask('y')).toEqual({ cents: 1 })
  const [request] = await newRequests(topic, 2)
  await put(topic.name, { key: 'old', value: { ...request, id: 'old', expirytime: new Date(Date.now() - 60_000).toISOString() } })
  await eventually(async () => expect((await metricsOf(answerer))('requests_answered_total', { outcome: 'expired' })).toBe(1))
  expect((await metricsOf(answerer))('requests_answered_total', { outcome: 'answered' })).toBe(2)
})

test('a request that comes again is answered again, and the second reply is counted and dropped', async () => {
  let answers = 0
  const { topic, asker, ask } = await newPair(() => ({ cents: ++answers }))
  const asked = await ask('x')
  const [request] = await newRequests(topic, 1)
  await put(topic.name, { key: String(request?.correlationid), value: request })
  await eventually(async () => expect((await metricsOf(asker))('replies_dropped_total', { messaging_destination_name: `${topic.name}.reply`, reason: 'late' })).toBe(1))
  expect({ asked, answers }).toEqual({ asked: { cents: 1 }, answers: 2 })
  expect((await metricsOf(asker))('asks_total', { outcome: 'answered' })).toBe(1)
})

test('replies that are unreadable or foreign are counted and dropped, with one warning, and others are read on', async () => {
  const { topic, asker, ask } = await newPair(() => ({ cents: 1 }))
  await ask('x')
  const [request] = await newRequests(topic, 1)
  const about = { id: 'r1', source: '/x', time: new Date() }
  const foreign = createReply(topic, { ...request as Request, correlationid: 'somebody' }, { ...about, data: { cents: 1 } })
  const reply = `${topic.name}.reply`
  await put(reply, { value: Buffer.from('secret') }, { value: null }, { value: { ...foreign, data: { cents: 'secret' } } }, { value: foreign }, { key: 'k', value: foreign })
  await put(reply, { key: '01990f3c-6d2a-7c4e-8a54-0f2d4c1b7e21.1', value: 'not even read' })
  await eventually(async () => {
    const value = await metricsOf(asker)
    expect(['late', 'foreign', 'unreadable'].map(reason => value('replies_dropped_total', { messaging_destination_name: reply, reason }))).toEqual([0, 3, 3])
  })
  expect(asker.lines.filter(({ msg }) => msg === 'unreadable reply dropped')).toHaveLength(1)
  expect(JSON.stringify(asker.lines)).not.toContain('secret')
  expect(await ask('y')).toEqual({ cents: 1 })
})

test('an unreadable reply leaves its ask to its timeout', async () => {
  const topic = newPriceRequest()
  const asker = await newService(async app => { app.asks(topic) })
  const asked = failure(asker.app.ask(topic, { productId: 'x' }, { timeoutMs: 5000 }))
  const [request] = await newRequests(topic, 1)
  await put(`${topic.name}.reply`, { key: String(request?.correlationid), value: 'rubbish' })
  await eventually(async () => expect((await metricsOf(asker))('replies_dropped_total', { reason: 'unreadable' })).toBe(1))
  expect(await asked).toMatchObject({ code: 'ERR_ASK_TIMEOUT' })
})

test('a ReplyError is heard at once with its code, and is no dead letter', async () => {
  const { answerer, ask } = await newPair(({ productId }) => { throw new ReplyError('UNKNOWN_PRODUCT', 'there is no such product') })
  expect(await failure(ask('x', 20_000))).toMatchObject({ name: 'ReplyError', code: 'UNKNOWN_PRODUCT', message: 'there is no such product', statusCode: 502 })
  expect(answerer.lines.filter(({ msg }) => msg === 'message dead-lettered')).toEqual([])
})

test('a permanent error is heard at once, an unknown one after its attempts, without what it said; both requests are dead-lettered', async () => {
  let attempts = 0
  const { asker, answerer, ask } = await newPair(({ productId }) => {
    attempts++
    const error = new Error('secret')
    throw productId === 'permanent' ? permanent(error) : error
  })
  expect(await failure(ask('permanent'))).toMatchObject({ name: 'ReplyError', code: 'ERR_REFUSED', message: 'the request is refused' })
  expect(attempts).toBe(1)
  expect(await failure(ask('unknown'))).toMatchObject({ name: 'ReplyError', code: 'ERR_FAILED', message: 'the request could not be answered' })
  expect(attempts).toBe(6)
  await eventually(() => expect(answerer.lines.filter(({ msg }) => msg === 'message dead-lettered')).toHaveLength(2))
  expect((await metricsOf(asker))('asks_total', { outcome: 'refused' })).toBe(2)
})

test('a transient error is not told: the request waits, and is answered once it is over', async () => {
  let isAway = true
  const { answerer, ask } = await newPair(() => {
    if (isAway) throw transient(new Error('the warehouse is away'))
    return { cents: 1 }
  })
  const asked = ask('x', 60_000)
  expect(await failure(ask('y', 500))).toMatchObject({ code: 'ERR_ASK_TIMEOUT' })
  isAway = false
  expect(await asked).toEqual({ cents: 1 })
  expect(answerer.lines.filter(({ msg }) => msg === 'message dead-lettered')).toEqual([])
})

test('what is no reply by the contract is not sent as one', async () => {
  const { ask } = await newPair(() => ({ cents: 'many' }) as never)
  expect(await failure(ask('x'))).toMatchObject({ name: 'ReplyError', code: 'ERR_REFUSED' })
})

test('a request that names another reply topic is no request', async () => {
  const { topic, answerer, ask } = await newPair(() => ({ cents: 1 }))
  await ask('x')
  const [request] = await newRequests(topic, 1)
  await put(topic.name, { key: 'k', value: { ...request, id: 'other', replyto: 'user_register' } })
  await eventually(() => expect(answerer.lines).toContainEqual(expect.objectContaining({ msg: 'message dead-lettered', reason: 'not-valid' })))
})

test('data that are no request are refused before anything is sent, and a timeout must be one', async () => {
  const topic = newPriceRequest()
  const { app } = await newService(async () => {})
  const error = await failure(app.ask(topic, { productId: 7 } as never, { timeoutMs: 100 }))
  expect(error).toMatchObject({ name: 'TypeError', message: `invalid request of ${topic.name}: data/productId must be string` })
  for (const timeoutMs of [0, -1, NaN, Infinity, 2 ** 31, undefined]) {
    expect(await failure(app.ask(topic, { productId: 'x' }, { timeoutMs: timeoutMs as number }))).toMatchObject({ name: 'RangeError' })
  }
})

test('a service that closes answers what it was asked, waits for replies for a while, and rejects the rest', async () => {
  const topic = newPriceRequest()
  const { app } = await newService(async app => { app.asks(topic) })
  const asked = failure(app.ask(topic, { productId: 'x' }, { timeoutMs: 60_000 }))
  const started = performance.now()
  await app.close()
  expect(await asked).toMatchObject({ code: 'ERR_ASK_CLOSED', statusCode: 503 })
  expect(performance.now() - started).toBeLessThan(24_000)
  expect(await failure(app.ask(topic, { productId: 'x' }, { timeoutMs: 1000 }))).toMatchObject({ code: 'ERR_ASK_CLOSED' })
})

test('requests and replies stand on the events page', async () => {
  const { asker, answerer, topic } = await newPair(() => ({ cents: 1 }))
  const channels = async ({ app }: typeof asker) => Object.keys((await app.inject('/docs/events.json')).json<{ channels: object }>().channels)
  expect(await channels(asker)).toEqual([topic.name, `${topic.name}.reply`])
  expect(await channels(answerer)).toEqual([topic.name, `${topic.name}.reply`, `${topic.name}.dlq`])
})

test('a service that ends stops looking for new partitions first, and reads replies until its requests are answered', async () => {
  const { app } = await newService(async app => { app.asks(newPriceRequest()) })
  const [search, close] = [vi.spyOn(LiveReader.prototype, 'stopSearch'), vi.spyOn(LiveReader.prototype, 'close')]
  onTestFinished(() => { vi.restoreAllMocks() })
  await app.close()
  expect(search.mock.invocationCallOrder[0]).toBeLessThan(Number(close.mock.invocationCallOrder[0]))
})
