import { randomBytes, randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { getTableConfig } from 'drizzle-orm/pg-core'
import { outbox } from 'shared-service'
import { decoder, userRegister } from 'shared-topics'
import { migrateDatabase } from '../../../shared-service/dist/database/migrate.js'
import { outboxRows } from '../../../shared-service/dist/outbox/rows.js'
import { newDatabase } from '../../../test/fixtures/new-database.js'
import { storeUser } from '../dist/users/store-user.js'
import { users } from '../dist/users/table.js'

const migrations = fileURLToPath(new URL('../drizzle', import.meta.url))
let database: Awaited<ReturnType<typeof newDatabase>>
let pool: pg.Pool

beforeAll(async () => {
  database = await newDatabase()
  // Three replicas that start at once.
  await Promise.all([1, 2, 3].map(async () => await migrateDatabase(database.url, migrations)))
  pool = new pg.Pool({ connectionString: database.url })
})
afterAll(async () => {
  await pool.end()
  await database.close()
})

const someone = () => {
  const name = `Name${randomBytes(6).toString('hex')}`
  return { email: `${name}@Example.com`, username: name }
}
const events = async (id: string) => (await pool.query('select * from outbox where aggregateid = $1', [id])).rows

test('the migrations make the tables of the schema, once, though three replicas started at the same moment', async () => {
  for (const table of [users, outbox]) {
    const { name, columns } = getTableConfig(table)
    const { rows } = await pool.query('select column_name as name, is_nullable = \'NO\' as "notNull" from information_schema.columns where table_name = $1', [name])
    expect(rows).toHaveLength(columns.length)
    expect(rows).toEqual(expect.arrayContaining(columns.map(({ name, notNull }) => ({ name, notNull }))))
  }
  expect((await pool.query('select from drizzle.__drizzle_migrations')).rowCount).toBe(1)
})

describe('a user who registers', () => {
  test('is stored as typed, together with the event', async () => {
    const typed = someone()
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    const { user, event } = await storeUser(pool, typed, traceparent)
    expect((await pool.query('select * from users where id = $1', [user.id])).rows).toEqual([{ id: user.id, ...typed, created_at: user.createdAt }])

    const [stored] = await events(user.id)
    expect(stored).toMatchObject({ id: event.row.id, aggregatetype: 'user', type: 'user_register', payload: event.row.payload, traceparent, claimed_at: null, parked: null })
    expect(decoder(userRegister)(Buffer.from(stored.payload))).toMatchObject({ ok: true, event: { id: stored.id, subject: user.id, traceparent, data: { id: user.id, ...typed } } })
    expect(event.isFirst).toBe(true)
  })

  test.each([
    ['the email in another case', (typed: { email: string }) => ({ ...someone(), email: typed.email.toUpperCase() }), 'email'],
    ['the username in another case', (typed: { username: string }) => ({ ...someone(), username: typed.username.toLowerCase() }), 'username'],
    ['both', (typed: { email: string, username: string }) => typed, 'email']
  ])('is refused where somebody has %s, and no event is left', async (_what, again, field) => {
    const typed = someone()
    await storeUser(pool, typed)
    const before = (await pool.query('select from outbox')).rowCount
    await expect(storeUser(pool, again(typed))).rejects.toMatchObject({ statusCode: 409, errors: [{ field, message: 'is taken' }] })
    expect((await pool.query('select from outbox')).rowCount).toBe(before)
  })

  test('twice at the same moment is stored once and refused once', async () => {
    const typed = someone()
    const results = await Promise.allSettled([storeUser(pool, typed), storeUser(pool, typed)])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })
})

describe('the rows of the outbox', () => {
  const put = async (ageS: number, aggregateid = randomUUID()) => {
    const id = randomUUID()
    await pool.query('insert into outbox (id, aggregatetype, aggregateid, type, payload, created_at) values ($1, \'user\', $2, \'t\', \'{}\', now() - $3 * interval \'1 s\')', [id, aggregateid, ageS])
    return id
  }
  const ids = (rows: Array<{ id: string }>) => rows.map(({ id }) => id)

  test('are claimed oldest first, by one relay at a time, and are anybody\'s again later', async () => {
    await pool.query('delete from outbox')
    const [young, old, older] = [await put(1), await put(100), await put(200)]
    const rows = outboxRows(pool)
    const [one, two] = await Promise.all([rows.claim(60, 1000), rows.claim(60, 1000)])
    expect([...ids(one), ...ids(two)].sort()).toEqual([old, older].sort())
    expect([ids(one), ids(two)]).toContainEqual([older, old])
    expect(ids(await rows.claim(60, 1000))).toEqual([])
    expect(ids(await rows.claim(0, 1000))).toEqual([older, old, young])
  })

  test('are left out once they are parked, with the reason kept, and are gone once they are removed', async () => {
    await pool.query('delete from outbox')
    const [parked, removed] = [await put(100), await put(100)]
    const rows = outboxRows(pool)
    await rows.park(parked, 'too large')
    await rows.remove([removed])
    expect(await rows.claim(0, 1000)).toEqual([])
    expect((await pool.query('select id, parked from outbox')).rows).toEqual([{ id: parked, parked: 'too large' }])
  })
})
