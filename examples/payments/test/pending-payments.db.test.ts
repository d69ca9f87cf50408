import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Database } from '@pair/service'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { newDatabase } from '../../../test/fixtures/new-database.js'
import { pendingPayments } from '../microservices/payments/dist/pending-payments.js'
import { times } from './payments-system.js'

/** The table with that many pending payments, and what the workers do with it. */
async function newTable (count: number) {
  const { url, close } = await newDatabase()
  const pool = new pg.Pool({ connectionString: url, max: 20 })
  onTestFinished(async () => { await pool.end(); await close() })
  await pool.query(await readFile(new URL('../microservices/payments/migrations/0001_payments.sql', import.meta.url), 'utf8'))
  const ids = Array.from({ length: count }, () => randomUUID())
  await pool.query("insert into payments (id, user_id, amount, currency) select id, id, 1, 'EUR' from unnest($1::uuid[]) as id", [ids])
  return { pool, pending: pendingPayments({ pool } as unknown as Database), expire: async () => await pool.query('update payments set claimable_at = now()') }
}

test('workers that claim at the same time never claim the same payment', async () => {
  const { pending } = await newTable(500)
  const claimed = (await times(100, 20, async () => await pending.claim(5))).flat().map(({ id }) => id)
  expect([claimed.length, new Set(claimed).size]).toEqual([500, 500])
  expect(await pending.claim(5)).toEqual([])
})

test('a worker whose claim has expired changes nothing any more, whatever it had found', async () => {
  const { pool, pending, expire } = await newTable(1)
  const [late] = await pending.claim(1)
  await expire()
  const [next] = await pending.claim(1)
  if (late === undefined || next === undefined) throw new Error('not claimed')
  expect(next).toEqual({ ...late, claims: 2, claimedAt: expect.any(Date) })
  expect(await pending.declined(late, 'unknown-user')).toBe(false)
  expect(await pending.processed(late, 'charge')).toBe(false)
  expect(await pending.unknownUser(late)).toBe(false)
  await pending.tryAgain(late, 0)
  expect(await pending.claim(1)).toEqual([])
  expect((await pool.query('select unknown_since from payments')).rows).toEqual([{ unknown_since: null }])
  expect(await pending.processed(next, 'charge')).toBe(true)
  expect(await pending.isEmpty()).toBe(true)
})

test('a payment is declined when auth was asked 5 s after it had not known the user, however late the answer came', async () => {
  const { pool, pending } = await newTable(1)
  const [payment] = await pending.claim(1)
  if (payment === undefined) throw new Error('not claimed')
  await pool.query('update payments set unknown_since = $1', [new Date(payment.claimedAt.getTime() - 6000)])
  expect(await pending.unknownUser({ ...payment, claimedAt: new Date(payment.claimedAt.getTime() - 1500) })).toBe(false)
  expect(await pending.unknownUser(payment)).toBe(true)
})

test('after an outage of auth each pending payment has its 5 s again, also those that were not tried meanwhile', async () => {
  const { pool, pending } = await newTable(2)
  const [tried, other] = await pending.claim(2)
  if (tried === undefined || other === undefined) throw new Error('not claimed')
  await pool.query("update payments set unknown_since = now() - interval '6 s'")
  await pending.forgetUnknown()
  for (const payment of [tried, other]) expect(await pending.unknownUser(payment)).toBe(false)
})
