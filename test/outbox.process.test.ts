import { fileURLToPath } from 'node:url'
import { provisionTopics } from '@pair/kafka'
import { userRegister } from '@pair/shared-topics'
import { expect, test } from 'vitest'
import { migrateDatabase } from '../packages/service/dist/database/migrate.js'
import { startKafkaProxy } from './fixtures/kafka-proxy.js'
import { recreate } from './fixtures/admin.js'
import { endsOf, newName, read } from './fixtures/records.js'
import { eventually, registered } from './fixtures/services.js'
import { brokers, isEmbedded, onBroker, openDatabase, put, said, start, useBroker } from './fixtures/harness.js'

// How events leave the outbox of whole services.

const migrations = fileURLToPath(new URL('../microservices/user/migrations', import.meta.url))

useBroker()

test('100,000 events of a topic that does not exist delay no event of another topic, and the log names that topic and the reason', async () => {
  if (isEmbedded) await put({ value: 'makes the topic' })
  else await provisionTopics({ 'metadata.broker.list': brokers }, [{ ...userRegister, name: onBroker(userRegister.name) }])
  const kafka = await startKafkaProxy(brokers)
  kafka.refuseTopics()
  const users = await openDatabase()
  await migrateDatabase(users.url, 'user-service', migrations)
  const topic = newName('missing')
  await users.client.query(`insert into outbox (id, aggregatetype, aggregateid, type, payload)
    select gen_random_uuid(), 'order', n, $1, '{}' from generate_series(1, 100000) n`, [topic])

  const user = await start('user', users.url, kafka.address)
  const expectEvents = (count: number) => eventually(() => expect(said([user], 'event sent')).toBe(count))
  for (const count of [1, 2, 3, 4, 5]) {
    await registered(user)
    await expectEvents(count)
  }
  const line = await eventually(() => {
    const found = user.lines.find(({ msg }) => msg === 'the topic: away, trying again')
    expect(found).toMatchObject({ topic: onBroker(topic), err: { codeName: expect.stringMatching(/^ERR_.*UNKNOWN_TOPIC/) } })
    return found
  })
  expect(line).toBeDefined()
  await registered(user)
  await expectEvents(6)
  expect(said([user], 'the broker: away, trying again')).toBe(0)
})

test('events whose timestamps the broker refuses wait, and are sent once it takes them', async ({ skip }) => {
  skip(isEmbedded, 'the embedded broker takes any timestamp')
  const topic = newName('timestamp')
  // Whatever comes is older than that, as from a service whose clock is slow: it is 300 ms on its way.
  const config = { 'message.timestamp.type': 'CreateTime', 'message.timestamp.before.max.ms': '0' }
  await provisionTopics({ 'metadata.broker.list': brokers }, [{ name: onBroker(topic), partitions: 1, config }])
  const kafka = await startKafkaProxy(brokers)
  kafka.set('slow')
  const users = await openDatabase()
  await migrateDatabase(users.url, 'user-service', migrations)
  await users.client.query(`insert into outbox (id, aggregatetype, aggregateid, type, payload)
    select gen_random_uuid(), 'order', n, $1, n from generate_series(1, 3) n`, [topic])
  const user = await start('user', users.url, kafka.address)
  await eventually(() => expect(user.lines).toContainEqual(expect.objectContaining({
    msg: 'the topic: away, trying again', topic: onBroker(topic), err: expect.objectContaining({ codeName: 'ERR_INVALID_TIMESTAMP' })
  })))
  expect((await users.client.query('select parked from outbox')).rows).toEqual([{ parked: null }, { parked: null }, { parked: null }])
  await recreate(brokers, onBroker(topic), { 'message.timestamp.type': 'LogAppendTime' })
  kafka.set('open')
  await eventually(async () => expect((await users.client.query('select from outbox')).rowCount).toBe(0))
})

test('two services that share an outbox send the events of each aggregate in their order', async () => {
  const topic = newName('order')
  if (!isEmbedded) await provisionTopics({ 'metadata.broker.list': brokers }, [{ name: onBroker(topic), partitions: 1, config: {} }])
  const users = await openDatabase()
  await migrateDatabase(users.url, 'user-service', migrations)
  const [count, aggregates] = [Number(process.env.ORDER_COUNT ?? 10_000), 700]
  await users.client.query(`insert into outbox (id, aggregatetype, aggregateid, type, payload, created_at)
    select gen_random_uuid(), 'order', n % $3, $1, n, now() - interval '1 hour' + n * interval '1 ms' from generate_series(1, $2) n`, [topic, count, aggregates])
  await Promise.all([start('user', users.url), start('user', users.url)])
  await eventually(async () => expect((await users.client.query('select from outbox limit 1')).rowCount).toBe(0), 120_000)

  const ends = await endsOf(onBroker(topic), brokers)
  const records = await read(onBroker(topic), ends.reduce((sum, end) => sum + end), { brokers, from: ends.map((_end, partition) => ({ partition })), deadlineMs: 60_000 })
  const newest = new Map<string, number>()
  const seen = new Set<number>()
  const late = records.filter(({ key, value }) => {
    const [aggregate, number] = [String(key), Number(value)]
    if (seen.has(number)) return false
    seen.add(number)
    const isLate = number < (newest.get(aggregate) ?? 0)
    newest.set(aggregate, Math.max(number, newest.get(aggregate) ?? 0))
    return isLate
  })
  expect(seen.size).toBe(count)
  expect(late).toEqual([])
})
