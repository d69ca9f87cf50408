import { randomUUID } from 'node:crypto'
import { createReply, type Request } from '@pair/events'
import { createUserExample, getUser, type GetUser } from '@pair/payments-shared-topics'
import { expect, test } from 'vitest'
import { brokers, put, useBroker } from '../../../test/fixtures/harness.js'
import { read } from '../../../test/fixtures/records.js'
import { startKafkaProxy } from '../../../test/fixtures/kafka-proxy.js'
import { eventually } from '../../../test/fixtures/services.js'
import { call, expectChargedOnce, expectNoDeadLetter, found, freeze, metric, newEmail, newOrder, newSystem, pay, signUp, statusOf, times } from './payments-system.js'

// Questions about users: what auth does not know yet, what it refuses, and what is no answer at all.

useBroker()

test('a payment of an unknown user stays pending while auth is asked again for 5 s, then it is declined; nothing is charged or dead-lettered', async () => {
  const system = await newSystem()
  const { gateway, auth } = await system.runAll()
  await found(gateway, `/api/payments/${randomUUID()}`, { status: 404 }) // it reads replies from now on: pending lasts 5 s only
  const before = performance.now()
  const id = await pay(gateway, newOrder(randomUUID()))
  await statusOf(gateway, id, 'pending')
  await found(gateway, `/api/payments/${id}`, { body: { status: 'declined', reason: 'unknown-user' } })
  expect(performance.now() - before).toBeGreaterThan(5000)
  expect(await metric(auth, 'requests_answered_total', 'get_user', 'outcome="refused"')).toBeGreaterThan(1)
  expect((await (await system.database('provider')).query('select from charges')).rowCount).toBe(0)
  await expectNoDeadLetter(system)
})

test('a question that overtakes its user is asked again: the payment is processed when the user is there', async () => {
  const system = await newSystem()
  const { gateway } = await system.runAll()
  await found(gateway, `/api/users/${await signUp(gateway)}`, { status: 200 }) // auth reads its topic: there are 5 s for the user
  const payments = await system.database('payments')
  const userId = randomUUID()
  const id = await pay(gateway, newOrder(userId))
  await eventually(async () => expect((await payments.query('select from payments where unknown_since is not null')).rowCount).toBe(1))
  await payments.query("update payments set unknown_since = now() + interval '1 min'") // a slow machine takes longer than 5 s
  await put({ topic: system.onBroker('create_user'), key: userId, value: { ...createUserExample, id: randomUUID(), data: { id: userId, name: 'Bruce Wayne', email: newEmail() } } })
  await statusOf(gateway, id, 'processed')
})

test('a sign-up that a gateway without Kafka accepted comes too late: the payment is declined, and stays so when the user is there', async () => {
  const system = await newSystem()
  const { gateway } = await system.runAll()
  const kafka = await startKafkaProxy(brokers)
  const cutOff = await system.run('api-gateway', {}, kafka.address)
  kafka.set('cut')
  const userId = await signUp(cutOff)
  const id = await pay(gateway, newOrder(userId))
  await found(gateway, `/api/payments/${id}`, { body: { status: 'declined', reason: 'unknown-user' } })
  kafka.set('open')
  await found(gateway, `/api/users/${userId}`, { status: 200 })
  await statusOf(gateway, id, 'declined')
  await statusOf(gateway, await pay(gateway, newOrder(userId)), 'processed')
})

test('of 200 users who sign up and pay at once none is declined, unless its sign-up took 5 s longer to be stored', async () => {
  const system = await newSystem()
  const { gateway } = await system.runAll()
  const [payments, provider, auth] = [await system.database('payments'), await system.database('provider'), await system.database('auth')]
  await found(gateway, `/api/users/${await signUp(gateway)}`, { status: 200 }) // auth reads its topic
  await times(200, 20, async () => {
    const id = await pay(gateway, newOrder(await signUp(gateway)))
    await eventually(async () => expect((await payments.query("select from payments where id = $1 and status <> 'pending'", [id])).rowCount).toBe(1))
  })
  expect((await payments.query('select from payments')).rowCount).toBe(200)
  // On a machine that is too busy for it: both databases are of one server, and so of one clock.
  const { rows: declined } = await payments.query("select user_id, created_at from payments where status <> 'processed'")
  for (const { user_id: id, created_at: known } of declined) {
    const { rows: [user] } = await auth.query('select created_at from users where id = $1', [id])
    expect(user.created_at - known).toBeGreaterThan(5000)
  }
  await expectChargedOnce(provider, payments)
})

test('a sign-up whose email is taken, in any case of letters, is 409 at its Location, and what it pays is declined', async () => {
  const { gateway } = await (await newSystem()).runAll()
  const email = newEmail()
  const first = await signUp(gateway, email)
  await found(gateway, `/api/users/${first}`, { status: 200 })
  const second = await signUp(gateway, email.toUpperCase())
  await found(gateway, `/api/users/${second}`, { status: 409, body: { type: 'urn:problem:conflict', errors: [{ field: 'email', message: 'is taken' }] } })
  await found(gateway, `/api/payments/${await pay(gateway, newOrder(second))}`, { body: { status: 'declined', reason: 'unknown-user' } })
  await found(gateway, `/api/users/${first}`, { status: 200, body: { email } })
})

test('a reply with an error fails at once; one that is no event is counted and dropped with one warning, and its ask times out', async () => {
  const system = await newSystem()
  const { gateway, auth } = await system.runAll()
  await found(gateway, `/api/users/${await signUp(gateway)}`, { status: 200 })
  const asked = await metric(gateway, 'asks_total', 'get_user', 'outcome="answered"') + await metric(gateway, 'asks_total', 'get_user', 'outcome="refused"')
  freeze(auth)

  const [refused, broken] = [randomUUID(), randomUUID()]
  const started = performance.now()
  const answers = [refused, broken].map(async id => ({ ...await call(gateway, `/api/users/${id}`), afterMs: performance.now() - started }))
  const partitions = Array.from({ length: getUser.partitions }, (_, partition) => ({ partition }))
  const requests = (await read(system.onBroker('get_user'), asked + 2, { brokers, from: partitions })).map(({ value }) => JSON.parse(String(value)) as Request<GetUser>)
  const requestOf = (id: string) => requests.find(({ data }) => data.userId === id) as Request<GetUser>
  const about = { id: randomUUID(), source: '/auth-service', time: new Date() }
  await put(
    ...[1, 2, 3].map(() => ({ topic: system.onBroker('get_user.reply'), key: requestOf(broken).correlationid, value: 'no event' })),
    { topic: system.onBroker('get_user.reply'), key: requestOf(refused).correlationid, value: createReply(getUser, requestOf(refused), { ...about, error: { code: 'ERR_FAILED', message: 'the request could not be answered' } }) }
  )

  const [failed, timedOut] = await Promise.all(answers)
  expect(failed).toMatchObject({ status: 502, body: { type: 'urn:problem:refused-upstream' } })
  expect(timedOut).toMatchObject({ status: 504, body: { type: 'urn:problem:timeout-upstream' } })
  expect(failed?.afterMs).toBeLessThan(Number(timedOut?.afterMs))
  expect(await metric(gateway, 'replies_dropped_total', 'get_user.reply', 'reason="unreadable"')).toBe(3)
  expect(gateway.lines.filter(({ msg }) => msg === 'unreadable reply dropped')).toHaveLength(1)
})

test('a question leaves nothing in the inbox of the service that answers it', async () => {
  const system = await newSystem()
  const { gateway } = await system.runAll()
  const userId = await signUp(gateway)
  await found(gateway, `/api/users/${userId}`, { status: 200 })
  const inboxOf = async (name: 'auth' | 'payments') => (await (await system.database(name)).query('select from inbox')).rowCount
  const commands = await inboxOf('auth')
  await statusOf(gateway, await pay(gateway, newOrder(userId)), 'processed')
  expect([await inboxOf('auth'), await inboxOf('payments')]).toEqual([commands, 1]) // payments has one command, too
})
