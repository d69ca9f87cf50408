import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { expect, onTestFinished, test } from 'vitest'
import { connect } from '../../../test/fixtures/harness.js'
import { newDatabase } from '../../../test/fixtures/new-database.js'
import { takeKey } from '../microservices/api-gateway/dist/idempotency-keys.js'

const lifetimeS = 60

test('a key that has expired and is not deleted yet is a new key', async () => {
  const { url, close } = await newDatabase()
  onTestFinished(close)
  const db = await connect(url)
  await db.query(await readFile(new URL('../microservices/api-gateway/migrations/0001_idempotency_keys.sql', import.meta.url), 'utf8'))
  const [userId, first, second] = [randomUUID(), randomUUID(), randomUUID()]
  const take = async (paymentId: string, amount: number) => await takeKey(db, { userId, key: 'k', paymentId, request: [amount] }, lifetimeS)

  expect(await take(first, 1)).toEqual({ isNew: true, paymentId: first, isSame: true })
  await db.query("update idempotency_keys set created_at = created_at - interval '59 s'")
  expect(await take(second, 1)).toEqual({ isNew: false, paymentId: first, isSame: true })
  await db.query("update idempotency_keys set created_at = created_at - interval '1 s'")
  expect(await take(second, 2)).toEqual({ isNew: true, paymentId: second, isSame: true })
  expect(await take(first, 1)).toEqual({ isNew: false, paymentId: second, isSame: false }) // its lifetime has begun anew
})
