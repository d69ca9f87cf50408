import Fastify from 'fastify'
import { Registry } from 'prom-client'
import type { Message, Statistics } from '@pair/kafka'
import { admin, createApp, dependencies, health, metrics, type Handle } from '@pair/service'
import { userRegister, userRegisterExample as example, type UserRegister } from '@pair/shared-topics'
import { expect, test, vi } from 'vitest'
import type { Handled, Inbox } from '../dist/inbox/inbox.js'
import { MessageProcessor } from '../dist/messages/processor.js'
import { clientMetrics } from '../dist/metrics/client.js'
import { MessageMetrics } from '../dist/messages/metrics.js'
import { outboxMetrics } from '../dist/outbox/metrics.js'
import { measuredPush } from '../dist/publishing/push-metrics.js'

const refused = Object.assign(new Error('bad'), { severity: 'ERROR', code: '22021' })
const row = { id: 'event', aggregateid: 'user', type: 'user_register', payload: '{}', traceparent: null }

/** What a registry shows of a metric: each line's labels (values only, in the order they stand) with its value. */
async function shown (registry: Registry, name: string) {
  const text = await registry.metrics()
  const lines = text.split('\n').filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
  return Object.fromEntries(lines.map(line => [[...line.matchAll(/="([^"]*)"/g)].map(([, value]) => value).join(' '), Number(line.split(' ').at(-1))]))
}

async function service () {
  const lines: string[] = []
  const app = createApp('x', { LOG_LEVEL: 'info' }, { write: (line: string) => lines.push(line) } as never)
  await app.register(admin, { port: undefined })
  await app.register(metrics)
  app.post('/user/register', async (_request, reply) => reply.code(201).send({}))
  app.get('/user/:id', async () => { throw new Error('a mistake') })
  return { app, lines, registry: app.metrics.registry }
}

function pathOf (handle: Handle<UserRegister>, sendDeadLetter = async () => {}, inbox?: Pick<Inbox, 'process'>) {
  const registry = new Registry()
  const paths = new MessageMetrics(registry, 'profile-service')
  const path = new MessageProcessor({ consumer: { topic: userRegister, handle }, inbox: inbox as Inbox, group: 'profile-service', sendDeadLetter, metrics: paths.of('user_register'), log: Fastify().log })
  let offset = 0
  const take = async (value: unknown) => await new Promise<void>(resolve => {
    const message = { topic: 'user_register', partition: 0, offset: offset++, key: null, headers: [], timestamp: 0, release: resolve, value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)) }
    path.listener(message satisfies Message, resolve)
  })
  return { registry, path, take }
}

test('/metrics counts requests by route and status and shows the event loop\'s delay, and its own requests are not in the log', async () => {
  const { app, lines, registry } = await service()
  const { headers, body } = await app.inject('/metrics')
  expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(body).toContain('nodejs_eventloop_lag_p99_seconds')
  expect(lines).toEqual([])
  for (let count = 0; count < 3; count++) await app.inject({ method: 'POST', url: '/user/register', payload: {} })
  await app.inject('/user/1')
  expect(await shown(registry, 'http_server_request_duration_seconds_count')).toEqual({
    'GET /metrics 200': 1, 'POST /user/register 201': 3, 'GET /user/:id 500': 1
  })
})

test('whatever is asked for, no address and no method becomes a label', async () => {
  const { app, registry } = await service()
  for (let n = 0; n < 300; n++) {
    await app.inject({ method: n % 2 ? 'GET' : 'PROPFIND' as 'GET', url: `/${Math.random().toString(36)}?secret=${n}` })
    await app.inject(`/user/secret-${n}`)
  }
  for (const url of ['/%c0', '/user/%zz', `/user/${'x'.repeat(200)}`]) await app.inject(url)
  const requests = await shown(registry, 'http_server_request_duration_seconds_count')
  expect(Object.keys(requests)).toEqual(expect.arrayContaining(['_OTHER  404', 'GET /user/:id 500']))
  expect(Object.keys(requests).length).toBeLessThan(5)
  expect(await registry.metrics()).not.toMatch(/secret|xxx/)
})

test('messages are counted by what became of them, dead letters by their reason', async () => {
  const ends: Handled[] = [{ outcome: 'processed' }, { outcome: 'processed' }, { outcome: 'ignored' }, { outcome: 'duplicate' }, { outcome: 'duplicate', isOther: true }, { outcome: 'ignored' }]
  const inbox = {
    process: async () => {
      if (ends.length === 0) throw refused
      return ends.splice(0, 1)
    }
  }
  const { registry, take } = pathOf(async () => {}, undefined, inbox)
  for (let count = 0; count < 7; count++) await take(example)
  await take('rubbish')
  await take({ ...example, type: 'other' })
  expect(await shown(registry, 'messaging_client_consumed_messages_total')).toEqual({ 'user_register profile-service': 9 })
  expect(await shown(registry, 'messages_handled_total')).toEqual({
    'user_register profile-service processed': 2, 'user_register profile-service ignored': 2, 'user_register profile-service duplicate': 2, 'user_register profile-service dead-lettered': 3, 'user_register profile-service released': 0
  })
  expect(await shown(registry, 'dead_letters_total')).toEqual({
    'user_register profile-service not-decodable': 1, 'user_register profile-service not-valid': 1, 'user_register profile-service refused': 1, 'user_register profile-service failed': 0, 'user_register profile-service crashed': 0
  })
  expect(await shown(registry, 'messaging_process_duration_seconds_count')).toMatchObject({
    'user_register profile-service ': 6, 'user_register profile-service refused': 1
  })
  expect(await shown(registry, 'messages_in_flight')).toEqual({ 'user_register profile-service': 0 })
})

test('a message is in flight until it is handled, or given back at a stop', async () => {
  const { registry, path, take } = pathOf(async () => { throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' }) })
  const taken = [take(example), take({ ...example, subject: 'other' })]
  expect(await shown(registry, 'messages_in_flight')).toEqual({ 'user_register profile-service': 2 })
  await path.stop()
  await Promise.all(taken)
  expect(await shown(registry, 'messages_in_flight')).toEqual({ 'user_register profile-service': 0 })
  expect(await shown(registry, 'messages_handled_total')).toMatchObject({ 'user_register profile-service released': 2 })
})

test('the delay of an effect counts from the event\'s time, where it has one that can be read', async () => {
  const { registry, take } = pathOf(async () => {})
  await take({ ...example, time: new Date(Date.now() - 20_000).toISOString() })
  await take({ ...example, time: new Date(Date.now() + 60_000).toISOString() }) // a clock that is ahead
  await take({ ...example, time: '2016-12-31T23:59:60Z' })
  await take({ ...example, time: undefined })
  expect(await shown(registry, 'event_effect_delay_seconds_count')).toEqual({ 'user_register profile-service': 2 })
  const sum = await shown(registry, 'event_effect_delay_seconds_sum')
  expect(sum['user_register profile-service']).toBeGreaterThanOrEqual(20)
  expect(sum['user_register profile-service']).toBeLessThan(25)
  expect(await shown(registry, 'messages_handled_total')).toMatchObject({ 'user_register profile-service processed': 4 })
})

test('pushes are counted by topic and outcome with their latency, and what they say never adds labels without end', async () => {
  const registry = new Registry()
  const timedOut = Object.assign(new Error('timed out'), { codeName: 'ERR__MSG_TIMED_OUT' })
  const broker = vi.fn(async () => {})
  const push = measuredPush(registry, broker)
  broker.mockRejectedValueOnce(timedOut).mockRejectedValueOnce(new Error('secret'))
  const first = push(row)
  // A series that begins at 1 has no rate.
  expect(await shown(registry, 'messaging_client_sent_messages_total')).toEqual({ 'send user_register ERR__MSG_TIMED_OUT': 0, 'send user_register ': 0 })
  await expect(first).rejects.toBe(timedOut)
  await expect(push(row)).rejects.toThrow('secret')
  await push(row)
  const expected = { 'send user_register ERR__MSG_TIMED_OUT': 1, 'send user_register _OTHER': 1, 'send user_register ': 1 }
  expect(await shown(registry, 'messaging_client_sent_messages_total')).toEqual(expected)
  expect(await shown(registry, 'messaging_client_operation_duration_seconds_count')).toEqual(expected)

  for (let n = 0; n < 500; n++) {
    await push({ ...row, type: `topic-${n}` })
    broker.mockRejectedValueOnce(Object.assign(new Error(), { codeName: `ERR_${n}` }))
    await push({ ...row, type: `topic-${n}` }).catch(() => {})
  }
  const sent = await shown(registry, 'messaging_client_sent_messages_total')
  expect(Object.keys(sent).length).toBeLessThanOrEqual(202)
  expect(Object.values(sent).reduce((sum, count) => sum + count)).toBe(1003)
})

test('the outbox is asked once for all who ask at a time, and shows nothing while the database is away', async () => {
  const registry = new Registry()
  const query = vi.fn(async () => ({ rows: [{ waiting: '3', parked: '1', age: '12.5' }] }))
  const database = { isUp: true, pool: { query } as never }
  outboxMetrics(registry, database, Fastify().log)
  const answers = await Promise.all([registry.metrics(), registry.metrics()])
  for (const answer of answers) expect(answer).toMatch(/outbox_events{state="waiting"} 3\noutbox_events{state="parked"} 1\n[^]*\noutbox_oldest_event_age_seconds 12.5\n/)
  expect(query).toHaveBeenCalledTimes(1)

  query.mockRejectedValueOnce(new Error('away'))
  expect(await registry.metrics()).not.toMatch(/^outbox_/m)
  database.isUp = false
  expect(await registry.metrics()).not.toMatch(/^outbox_/m)
  expect(query).toHaveBeenCalledTimes(2)
})

test('the lag of each partition that is held, rebalances and brokers are those of the client\'s last statistics', async () => {
  const registry = new Registry()
  const onStatistics = clientMetrics(registry, 'profile-service')
  expect(await registry.metrics()).not.toMatch(/^kafka_/m)

  const held = { fetch_state: 'active', consumer_lag: 5, committed_offset: 10, lo_offset: 0, hi_offset: 15 }
  const consumer: Statistics = {
    type: 'consumer',
    msg_cnt: 0,
    brokers: { a: { source: 'learned', state: 'UP' }, b: { source: 'learned', state: 'DOWN' }, c: { source: 'logical', state: 'UP' } },
    topics: {
      user_register: {
        partitions: {
          0: held,
          1: { ...held, consumer_lag: -1, committed_offset: -1001, lo_offset: 3, hi_offset: 7 }, // nothing was ever committed
          2: { ...held, consumer_lag: -1, hi_offset: -1001 }, // not known yet
          3: { ...held, fetch_state: 'none' }, // another member's
          4: { ...held, consumer_lag: 0, hi_offset: 17 }, // an open transaction holds back the rest
          '-1': { ...held, fetch_state: 'none' }
        }
      }
    },
    cgrp: { join_state: 'steady', rebalance_cnt: 4, assignment_size: 3 }
  }
  onStatistics(consumer)
  onStatistics({ type: 'producer', msg_cnt: 9, brokers: {}, topics: {} })
  expect(await shown(registry, 'kafka_consumer_group_lag')).toEqual({ 'user_register 0 profile-service': 5, 'user_register 1 profile-service': 4, 'user_register 4 profile-service': 7 })
  expect(await shown(registry, 'kafka_consumer_rebalances_total')).toEqual({ 'profile-service': 4 })
  expect(await shown(registry, 'kafka_consumer_assigned_partitions')).toEqual({ 'profile-service': 3 })
  expect(await shown(registry, 'kafka_brokers_connected')).toEqual({ consumer: 1, producer: 0 })
  expect(await shown(registry, 'kafka_producer_queue_messages')).toEqual({ '': 9 })
  onStatistics({ ...consumer, topics: {} })
  expect(await shown(registry, 'kafka_consumer_group_lag')).toEqual({})
})

test('what the health checks answer is a metric: of a service without a consumer readiness alone', async () => {
  const { app, registry } = await service()
  let [wasMember, isConsuming] = [false, false]
  await app.register(dependencies)
  await app.register(health, { kafka: () => 'up', wasMember: () => wasMember, isConsuming: () => isConsuming })
  const statuses = async () => ({ ready: (await app.inject('/health/ready')).statusCode, consuming: (await app.inject('/health/consuming')).statusCode })
  expect([await statuses(), await shown(registry, 'health_check_status')]).toEqual([{ ready: 503, consuming: 503 }, { ready: 0, consuming: 0 }])
  wasMember = true
  expect([await statuses(), await shown(registry, 'health_check_status')]).toEqual([{ ready: 200, consuming: 503 }, { ready: 1, consuming: 0 }])
  isConsuming = true
  app.isLeaving = true
  expect([await statuses(), await shown(registry, 'health_check_status')]).toEqual([{ ready: 503, consuming: 200 }, { ready: 0, consuming: 1 }])

  const writer = await service()
  await writer.app.register(dependencies)
  await writer.app.register(health, { kafka: () => 'up' })
  expect(await shown(writer.registry, 'health_check_status')).toEqual({ ready: 1 })
})
