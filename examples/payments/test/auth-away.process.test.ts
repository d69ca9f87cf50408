import { randomUUID } from 'node:crypto'
import { createUserExample } from '@pair/payments-shared-topics'
import { expect, test } from 'vitest'
import { brokers, kill, put, useBroker } from '../../../test/fixtures/harness.js'
import { startKafkaProxy } from '../../../test/fixtures/kafka-proxy.js'
import { checks, eventually, isConsuming, isReady, throughout } from '../../../test/fixtures/services.js'
import { call, expectAllProcessed, expectChargedOnce, expectNoDeadLetter, found, freeze, metric, newEmail, newOrder, newSystem, pay, signUp, statusOf, times } from './payments-system.js'

// What others see while auth, the provider or Kafka is away or frozen.

useBroker()

test('with auth down a payment is accepted and pending, a user is a 504 within 5 s, and payments says what it waits for; when auth is back all is done within 10 s', async () => {
  const system = await newSystem()
  const { gateway, auth, payments } = await system.runAll()
  const known = await signUp(gateway)
  await found(gateway, `/api/users/${known}`, { status: 200 })
  await statusOf(gateway, await pay(gateway, newOrder(known)), 'processed')
  await kill(auth)

  // One of them signs up while auth is down: the question about it must not overtake its command when auth is back.
  const users = [known, await signUp(gateway)]
  const ids = await times(30, 10, async index => await pay(gateway, newOrder(users[index % 2] as string)))
  for (const id of ids) await statusOf(gateway, id, 'pending')
  const started = performance.now()
  expect(await call(gateway, `/api/users/${known}`)).toMatchObject({ status: 504, body: { type: 'urn:problem:timeout-upstream' } })
  expect(performance.now() - started).toBeLessThan(15_000) // 5 s, on a machine three times slower
  await eventually(async () => expect(await checks(payments)).toMatchObject({ status: 503, auth: 'away', provider: 'up', database: 'up', kafka: 'up' }))
  const stored = await system.database('payments')
  await throughout(6000, async () => expect((await stored.query("select from payments where status = 'pending'")).rowCount).toBe(30)) // longer than an unknown user has

  await system.run('auth')
  await expectAllProcessed(await system.database('payments'), 31, 30_000) // 10 s, on a machine three times slower
  await eventually(async () => expect(await checks(payments)).toMatchObject({ status: 200, auth: 'up' }))
  await expectNoDeadLetter(system)
  await expectChargedOnce(await system.database('provider'), await system.database('payments'))
})

test('an outage of auth counts as no answer: a payment whose user was unknown before it has 5 s again after it', async () => {
  const system = await newSystem()
  const { gateway, auth } = await system.runAll()
  await found(gateway, `/api/users/${await signUp(gateway)}`, { status: 200 }) // all topics are there from now on
  const payments = await system.database('payments')
  const paymentsThat = async (condition: string) => await eventually(async () => expect((await payments.query(`select from payments where status = 'pending' and ${condition}`)).rowCount).toBe(1))
  const userId = randomUUID()
  const id = await pay(gateway, newOrder(userId))
  await paymentsThat('unknown_since is not null')
  await kill(auth)
  await paymentsThat("unknown_since is null and created_at < now() - interval '6 s'")
  await system.run('auth')
  await paymentsThat('unknown_since is not null')
  await payments.query("update payments set unknown_since = now() + interval '1 min'") // a slow machine takes longer than 5 s
  await put({ topic: system.onBroker('create_user'), key: userId, value: { ...createUserExample, id: randomUUID(), data: { id: userId, name: 'Bruce Wayne', email: newEmail() } } })
  await statusOf(gateway, id, 'processed')
})

test('the late replies of an auth that was frozen for 8 s are dropped and counted, and each payment has one effect', async () => {
  const system = await newSystem()
  const provider = await system.run('provider')
  // Its group waits for it, as with the default of a real system: so it answers what it was asked while it was frozen.
  const [gateway, auth, payments] = await Promise.all([system.run('api-gateway'), system.run('auth', { KAFKA_SESSION_TIMEOUT_MS: '60000' }), system.run('payments')])
  const userId = await signUp(gateway)
  await found(gateway, `/api/users/${userId}`, { status: 200 })
  const thaw = freeze(auth)
  const asked = times(8, 8, async () => await call(gateway, `/api/users/${userId}`))
  await times(5, 5, async () => await pay(gateway, newOrder(userId)))
  const until = performance.now() + 8000
  expect((await asked).map(({ status }) => status)).toEqual(Array(8).fill(504))
  const askedLater: Array<Promise<unknown>> = []
  await throughout(until - performance.now(), () => { askedLater.push(call(gateway, `/api/users/${userId}`)) })
  thaw()

  await Promise.all(askedLater)
  await expectAllProcessed(await system.database('payments'), 5)
  await expectChargedOnce(await system.database('provider'), await system.database('payments'))
  expect((await (await system.database('provider')).query('select from charges')).rowCount).toBe(5)
  for (const asker of [gateway, payments]) await eventually(async () => expect(await metric(asker, 'replies_dropped_total', 'get_user.reply', 'reason="late"')).toBeGreaterThan(0))
  await eventually(() => isReady(payments))
  expect(provider.lines.filter(({ level }) => Number(level) >= 50)).toEqual([])
})

test('with the provider down payments stay pending, and payments says so; when it is back they are processed, each charged once', async () => {
  const system = await newSystem()
  const { gateway, provider, payments } = await system.runAll()
  const port = new URL(provider.url).port
  const userId = await signUp(gateway)
  await statusOf(gateway, await pay(gateway, newOrder(userId)), 'processed')
  await kill(provider)
  const ids = await times(10, 5, async () => await pay(gateway, newOrder(userId)))
  await eventually(async () => expect(await checks(payments)).toMatchObject({ status: 503, auth: 'up', provider: 'away' }))
  for (const id of ids) await statusOf(gateway, id, 'pending')
  await system.run('provider', { PORT: port })
  await expectAllProcessed(await system.database('payments'), 11)
  await eventually(() => isReady(payments))
  await eventually(() => isConsuming(payments))
  await expectChargedOnce(await system.database('provider'), await system.database('payments'))
})

test('an outage of Kafka is not reported as one of auth: payments stays ready, names Kafka, and goes on after it', async () => {
  const system = await newSystem()
  await system.run('provider')
  const kafka = await startKafkaProxy(brokers)
  const [gateway, payments] = await Promise.all([system.run('api-gateway'), system.run('payments', {}, kafka.address), system.run('auth')])
  const store = await system.database('payments')
  const userId = await signUp(gateway)
  await statusOf(gateway, await pay(gateway, newOrder(userId)), 'processed') // it has asked auth
  kafka.set('cut')
  await eventually(async () => expect(await checks(payments)).toMatchObject({ kafka: 'away' }))
  // As if it had come just before the outage.
  await store.query("insert into payments (id, user_id, amount, currency) values ($1, $2, 1999, 'EUR')", [randomUUID(), userId])
  const claims = async (): Promise<number> => (await store.query("select claims from payments where status = 'pending'")).rows[0].claims
  // A claim is followed by the next one when its question has timed out.
  await eventually(async () => expect(await claims()).toBeGreaterThan(3))
  expect(await checks(payments)).toMatchObject({ status: 200, auth: 'up', kafka: 'away' })
  expect(payments.lines.filter(({ msg }) => String(msg).startsWith('auth: away'))).toEqual([])
  kafka.set('open')
  await expectAllProcessed(store, 2)
})
