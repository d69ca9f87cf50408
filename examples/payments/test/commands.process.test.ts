import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { brokers, kill, useBroker } from '../../../test/fixtures/harness.js'
import { startKafkaProxy } from '../../../test/fixtures/kafka-proxy.js'
import { eventually } from '../../../test/fixtures/services.js'
import { call, expectChargedOnce, found, newEmail, newOrder, newSystem, pay, post, postOrder, signUp, statusOf, tally, times } from './payments-system.js'

// What a 202 promises, and what an idempotency key is good for, on real processes.

useBroker()

/** A limit of the README on a machine three times slower. */
const slow = (ms: number) => 3 * ms

test('a sign-up is answered 202 with an id and a Location, where the user is found within a second; before that it is a 404', async () => {
  const { gateway } = await (await newSystem()).runAll()
  await found(gateway, '/api/users/' + await signUp(gateway), { status: 200 }) // all topics are there from now on
  expect(await call(gateway, `/api/users/${randomUUID()}`)).toMatchObject({ status: 404, body: { type: 'urn:problem:not-found' } })
  const email = newEmail()
  const accepted = await post(gateway, '/api/auth/sign-up', { name: 'Bruce Wayne', email })
  expect(accepted).toMatchObject({ status: 202, body: { id: expect.stringMatching(/^[0-9a-f-]{36}$/) }, location: `/api/users/${String(accepted.body['id'])}` })
  await found(gateway, String(accepted.location), { status: 200, body: { id: accepted.body['id'], name: 'Bruce Wayne', email } }, slow(1000))
})

test('a 202 holds with the broker down and the gateway killed (-9) right after it: the user is there and the payment processed after the next start', async () => {
  const system = await newSystem()
  const { gateway } = await system.runAll()
  const kafka = await startKafkaProxy(brokers)
  const cutOff = await system.run('api-gateway', {}, kafka.address)
  kafka.set('cut')
  const userId = await signUp(cutOff)
  const paymentId = await pay(cutOff, newOrder(userId))
  await kill(cutOff)
  await kill(gateway)
  const next = await system.run('api-gateway')
  await found(next, `/api/users/${userId}`, { status: 200 })
  await statusOf(next, paymentId, 'processed')
})

test('a payment is processed within 2 s, in minor units with a currency', async () => {
  const { gateway } = await (await newSystem()).runAll()
  const userId = await signUp(gateway)
  await statusOf(gateway, await pay(gateway, newOrder(userId)), 'processed') // all topics are there from now on
  const order = { userId, amount: 999_999, currency: 'JPY' }
  const accepted = await postOrder(gateway, order, randomUUID())
  expect(accepted).toMatchObject({ status: 202, location: `/api/payments/${String(accepted.body['id'])}` })
  await found(gateway, String(accepted.location), { status: 200, body: { id: accepted.body['id'], ...order, status: 'processed' } }, slow(2000))
})

test('a payment that the provider refuses is declined with its reason, and the largest amount arrives exactly', async () => {
  const { gateway } = await (await newSystem()).runAll()
  const order = newOrder(await signUp(gateway), Number.MAX_SAFE_INTEGER)
  await found(gateway, `/api/payments/${await pay(gateway, order)}`, { status: 200, body: { ...order, status: 'declined', reason: 'insufficient-funds' } })
})

test('what is no payment is refused with a problem that says why', async () => {
  const { gateway } = await (await newSystem()).runAll()
  const order = newOrder(randomUUID())
  const cases: Array<[name: string, order: unknown, field: string, key?: string]> = [
    ['no key', order, 'idempotency-key'], ['an empty key', order, 'idempotency-key', '""'], ['a key with a space', order, 'idempotency-key', 'a b'],
    ['a key of 129 characters', order, 'idempotency-key', 'k'.repeat(129)], ['a fraction', { ...order, amount: 19.99 }, 'amount', 'k'], ['nothing', { ...order, amount: 0 }, 'amount', 'k'],
    ['more than is exact', { ...order, amount: 2 ** 53 }, 'amount', 'k'], ['text', { ...order, amount: '1999' }, 'amount', 'k'],
    ['no currency', { userId: order.userId, amount: 1 }, 'currency', 'k'], ['a small currency', { ...order, currency: 'eur' }, 'currency', 'k'], ['no user', { ...order, userId: 'bruce' }, 'userId', 'k']
  ]
  for (const [name, body, field, key] of cases) {
    expect(await postOrder(gateway, body, key), name).toMatchObject({ status: 400, body: { type: 'urn:problem:validation', errors: [{ field }] } })
  }
})

test('the same key and body 50 times at once, and again after a restart, are one payment with one answer; another body is 422; another user has keys of its own', async () => {
  const system = await newSystem()
  const { gateway } = await system.runAll()
  const [payments, provider] = [await system.database('payments'), await system.database('provider')]
  const [userId, other] = [await signUp(gateway), await signUp(gateway)]
  const key = randomUUID()
  const ids = await times(50, 50, async () => await pay(gateway, newOrder(userId), key))
  expect(new Set(ids).size).toBe(1)
  await statusOf(gateway, String(ids[0]), 'processed')
  await kill(gateway)

  const next = await system.run('api-gateway')
  expect(await pay(next, newOrder(userId), key)).toBe(ids[0])
  expect(await pay(next, newOrder(userId), `"${key}"`)).toBe(ids[0]) // the draft's form
  expect(await pay(next, newOrder(userId.toUpperCase()), key)).toBe(ids[0]) // the same UUID
  for (const order of [newOrder(userId, 2000), { ...newOrder(userId), currency: 'USD' }]) {
    expect(await postOrder(next, order, key)).toMatchObject({ status: 422, body: { type: 'urn:problem:unprocessable', errors: [{ field: 'idempotency-key' }] } })
  }
  const others = await pay(next, newOrder(other), key)
  expect(others).not.toBe(ids[0])
  await statusOf(next, others, 'processed')
  expect(await tally(payments)).toEqual([{ status: 'processed', reason: null, count: 2 }])
  await expectChargedOnce(provider, payments)
})

test('a key that has expired is a new key, and is deleted', async () => {
  const system = await newSystem()
  const gateway = await system.run('api-gateway', { IDEMPOTENCY_KEY_LIFETIME_S: '2' })
  const keys = await system.database('api-gateway')
  const [order, key] = [newOrder(randomUUID()), randomUUID()]
  const before = performance.now()
  const first = await pay(gateway, order, key)
  await eventually(async () => expect(await pay(gateway, order, key)).not.toBe(first))
  expect(performance.now() - before).toBeGreaterThan(1900) // 2 s, on the database's clock
  await eventually(async () => expect((await keys.query('select from idempotency_keys')).rowCount).toBe(0))
})
