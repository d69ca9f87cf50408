import { randomBytes, randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import Fastify from 'fastify'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { getTableConfig } from 'drizzle-orm/pg-core'
import { outbox } from 'shared-service'
import { decoder, userRegister } from 'shared-topics'
import { migrateDatabase } from '../../../shared-service/dist/database/migrate.js'
import { outboxMetrics } from '../../../shared-service/dist/metrics/outbox.js'
import { Relay } from '../../../shared-service/dist/outbox/relay.js'
import { outboxRows } from '../../../shared-service/dist/outbox/rows.js'
import { newDatabase } from '../../../test/fixtures/new-database.js'
import { userStore } from '../dist/users/store-user.js'
import { users } from '../dist/users/table.js'

const migrations = fileURLToPath(new URL('../drizzle', import.meta.url))
let database: Awaited<ReturnType<typeof newDatabase>>
let pool: pg.Pool
const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
let storeUser: (user: ReturnType<typeof someone>) => ReturnType<ReturnType<typeof userStore>>

beforeAll(async () => {
  database = await newDatabase()
  // Three replicas that start at once.
  await Promise.all([1, 2, 3].map(async () => await migrateDatabase(database.url, migrations)))
  pool = new pg.Pool({ connectionString: database.url })
  pool.on('error', () => {}) // the database is dropped while the last connections end
  const store = userStore(pool)
  storeUser = async user => await store(user, traceparent)
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
    const { user, event } = await storeUser(typed)
    expect((await pool.query('select * from users where id = $1', [user.id])).rows).toEqual([{ id: user.id, ...typed, created_at: user.createdAt }])

    const [stored] = await events(user.id)
    expect(stored).toMatchObject({ id: event.id, aggregatetype: 'user', type: 'user_register', payload: event.payload, traceparent, claimed_at: null, parked: null })
    expect(decoder(userRegister)(Buffer.from(stored.payload))).toMatchObject({ ok: true, event: { id: stored.id, subject: user.id, traceparent, data: { id: user.id, ...typed } } })
  })

  test.each([
    ['the email in another case', (typed: { email: string }) => ({ ...someone(), email: typed.email.toUpperCase() }), 'email'],
    ['the username in another case', (typed: { username: string }) => ({ ...someone(), username: typed.username.toLowerCase() }), 'username'],
    ['both', (typed: { email: string, username: string }) => typed, 'email']
  ])('is refused where somebody has %s, and no event is left', async (_what, again, field) => {
    const typed = someone()
    await storeUser(typed)
    const before = (await pool.query('select from outbox')).rowCount
    await expect(storeUser(again(typed))).rejects.toMatchObject({ statusCode: 409, errors: [{ field, message: 'is taken' }] })
    expect((await pool.query('select from outbox')).rowCount).toBe(before)
  })

  test('twice at the same moment is stored once and refused once', async () => {
    const typed = someone()
    const results = await Promise.allSettled([storeUser(typed), storeUser(typed)])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  test('among others at the same moment: each is stored or refused for a reason of its own', async () => {
    const [known, ...others] = Array.from({ length: 50 }, someone) as [ReturnType<typeof someone>]
    await storeUser(known)
    const results = await Promise.allSettled([
      ...others, { ...someone(), email: known.email }, { ...someone(), username: known.username }
    ].map(async typed => await storeUser(typed)))
    expect(results.slice(0, others.length).every(({ status }) => status === 'fulfilled')).toBe(true)
    expect(results.slice(others.length)).toMatchObject([{ reason: { errors: [{ field: 'email' }] } }, { reason: { errors: [{ field: 'username' }] } }])
    for (const result of results) if (result.status === 'fulfilled') expect(await events(result.value.user.id)).toHaveLength(1)
  })

  test('beside one whom the database refuses, is stored', async () => {
    const others = Array.from({ length: 20 }, someone)
    const results = await Promise.allSettled([...others.slice(0, 7), { ...someone(), username: 'bat\0man' }, ...others.slice(7)].map(async typed => await storeUser(typed)))
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1)
    expect(results[7]).toMatchObject({ reason: { code: '22P05' } })
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

  test('that another relay is claiming are skipped, not waited for', async () => {
    await pool.query('delete from outbox')
    const [older, old] = [await put(200), await put(100)]
    const [other, ours] = [await pool.connect(), await pool.connect()]
    try {
      await other.query('begin')
      await ours.query("set statement_timeout = '2s'")
      const claims = [await outboxRows(other as unknown as pg.Pool).claim(60, 1), await outboxRows(ours as unknown as pg.Pool).claim(60, 1000)]
      expect(claims.map(ids)).toEqual([[older], [old]])
    } finally {
      for (const client of [other, ours]) client.release(true)
    }
    await vi.waitFor(async () => expect(ids(await outboxRows(pool).claim(60, 1000))).toEqual([older]))
  })

  test('whose transaction ends after younger ones were sent are sent, too', async () => {
    await pool.query('delete from outbox')
    const slow = await pool.connect()
    await slow.query('begin')
    const insert = 'insert into outbox (id, aggregatetype, aggregateid, type, payload, created_at) values ($1, \'user\', $2, \'t\', \'{}\', now() - interval \'100 s\')'
    const [first, second] = [`00000000-0000-7000-8000-${randomBytes(6).toString('hex')}`, randomUUID()]
    await slow.query(insert, [first, randomUUID()])
    const younger = [await put(90), await put(0)]
    const sent: string[] = []
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const relay = new Relay(outboxRows(pool), async ({ id }) => { sent.push(id) }, Fastify().log)
    try {
      relay.start()
      await vi.waitFor(() => expect(sent).toEqual(younger))
      await slow.query(insert, [second, randomUUID()])
      await slow.query('commit')
      vi.advanceTimersByTime(10_000)
      await vi.waitFor(() => expect(sent).toEqual([...younger, first, second]))
      await vi.waitFor(async () => expect((await pool.query('select 1 from outbox')).rowCount).toBe(0))
    } finally {
      vi.useRealTimers()
      slow.release(true)
      await relay.stop()
    }
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

  test('are counted for /metrics, with the age of the oldest that waits; a parked one counts by itself', async () => {
    const registry = new Registry()
    outboxMetrics(registry, { pool, isUp: true }, Fastify().log)
    const shown = async () => (await registry.metrics()).match(/^outbox_.+ \d+/gm)
    await pool.query('delete from outbox')
    expect(await shown()).toEqual(['outbox_events{state="waiting"} 0', 'outbox_events{state="parked"} 0', 'outbox_oldest_event_age_seconds 0'])
    await put(50)
    await put(70)
    await outboxRows(pool).park(await put(90), 'too large')
    expect(await shown()).toEqual(['outbox_events{state="waiting"} 2', 'outbox_events{state="parked"} 1', expect.stringMatching(/^outbox_oldest_event_age_seconds 7\d$/)])
  })
})
