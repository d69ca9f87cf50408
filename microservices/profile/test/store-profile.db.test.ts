import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { getTableConfig } from 'drizzle-orm/pg-core'
import { inbox, inboxCleanup } from 'shared-service'
import { createEvent, userRegister } from 'shared-topics'
import { faultOf } from '../../../shared-service/dist/database/faults.js'
import { migrateDatabase } from '../../../shared-service/dist/database/migrate.js'
import { removeOldMarks } from '../../../shared-service/dist/inbox/cleanup.js'
import { newDatabase } from '../../../test/fixtures/new-database.js'
import { buildApp } from '../dist/app.js'
import { profileStore } from '../dist/profiles/store-profile.js'
import { profiles } from '../dist/profiles/table.js'

let database: Awaited<ReturnType<typeof newDatabase>>
let pool: pg.Pool
let storeProfile: ReturnType<typeof profileStore>

beforeAll(async () => {
  database = await newDatabase()
  await migrateDatabase(database.url, fileURLToPath(new URL('../drizzle', import.meta.url)))
  pool = new pg.Pool({ connectionString: database.url })
  pool.on('error', () => {}) // the database is dropped while the last connections end
  storeProfile = profileStore(pool)
})
afterAll(async () => {
  await pool.end()
  await database.close()
})

function registered (data: Partial<{ id: string, email: string, username: string }> = {}) {
  const user = { id: randomUUID(), email: 'user@example.com', username: 'imbatman', ...data }
  return createEvent(userRegister, { id: randomUUID(), subject: user.id, time: new Date(), data: user })
}
const profileOf = async (id: string) => (await pool.query('select user_id, email, username from profiles where user_id = $1', [id])).rows
const marks = async (id: string) => (await pool.query('select from inbox where id = $1', [id])).rowCount

test('the migrations make the tables of the schema', async () => {
  for (const table of [profiles, inbox]) {
    const { name, columns } = getTableConfig(table)
    const { rows } = await pool.query('select column_name as name, is_nullable = \'NO\' as "notNull" from information_schema.columns where table_name = $1', [name])
    expect(rows).toHaveLength(columns.length)
    expect(rows).toEqual(expect.arrayContaining(columns.map(({ name, notNull }) => ({ name, notNull }))))
  }
})

describe('the event of a user who has registered', () => {
  test('becomes a profile, and is marked as seen', async () => {
    const event = registered()
    expect(await storeProfile(event)).toEqual({ isSeen: false, isCreated: true })
    const { id, email, username } = event.data
    expect(await profileOf(id)).toEqual([{ user_id: id, email, username }])
    expect(await marks(event.id)).toBe(1)
  })

  test('has its effect once, though it comes ten times at the same moment', async () => {
    const event = registered()
    const stored = await Promise.all(Array.from({ length: 10 }, async () => await storeProfile(event)))
    expect(stored.filter(({ isCreated }) => isCreated)).toHaveLength(1)
    expect(stored.filter(({ isSeen }) => isSeen)).toHaveLength(9)
  })

  test('has no effect when its source and id were seen, whatever it says now', async () => {
    const event = registered()
    await storeProfile(event)
    const other = { ...event, data: { ...event.data, id: randomUUID() } }
    expect(await storeProfile(other)).toEqual({ isSeen: true, isCreated: false })
    expect(await profileOf(other.data.id)).toEqual([])
  })

  test('with the id of an event from another source is another event', async () => {
    const event = registered()
    await storeProfile(event)
    expect(await storeProfile({ ...event, source: '/elsewhere' })).toMatchObject({ isSeen: false })
  })

  test('keeps the first profile where the user has one', async () => {
    const event = registered()
    await storeProfile(event)
    expect(await storeProfile(registered({ id: event.data.id, username: 'second' }))).toEqual({ isSeen: false, isCreated: false })
    expect(await profileOf(event.data.id)).toMatchObject([{ username: 'imbatman' }])
  })

  test('leaves no mark where the profile cannot be stored, and the fault is the message\'s', async () => {
    const event = registered({ username: 'bat\0man' })
    expect(faultOf(await storeProfile(event).catch(error => error))).toBe('message')
    expect(await marks(event.id)).toBe(0)
  })

  test('among others at the same moment: each has its effect, and one that cannot be stored fails alone', async () => {
    const events = Array.from({ length: 40 }, () => registered())
    const [twice, poison] = [registered(), registered({ email: 'a\0@b.c' })]
    const results = await Promise.allSettled([twice, ...events.slice(0, 20), poison, ...events.slice(20), twice].map(storeProfile))
    const [bad] = results.splice(21, 1) as PromiseRejectedResult[]
    expect(faultOf(bad?.reason)).toBe('message')
    expect(await marks(poison.id)).toBe(0)
    const stored = results.map(result => result.status === 'fulfilled' ? result.value : result.reason)
    expect(stored.slice(1, -1)).toEqual(events.map(() => ({ isSeen: false, isCreated: true })))
    // Each is stored alone now, on a connection of its own: either of the two may be the first.
    expect([stored.at(0), stored.at(-1)]).toEqual(expect.arrayContaining([{ isSeen: false, isCreated: true }, { isSeen: true, isCreated: false }]))
  })

  test('comes together with another one of the same user, and with itself: the first one counts', async () => {
    const first = registered()
    const second = registered({ id: first.data.id, username: 'second' })
    const oddly = [{ ...registered(), source: 'a b', id: 'c' }, { ...registered(), source: 'a', id: 'b c' }] as const
    expect(await Promise.all([first, second, first, ...oddly].map(storeProfile))).toEqual([
      { isSeen: false, isCreated: true }, { isSeen: false, isCreated: false }, { isSeen: true, isCreated: false },
      { isSeen: false, isCreated: true }, { isSeen: false, isCreated: true }
    ])
    expect(await profileOf(first.data.id)).toMatchObject([{ username: 'imbatman' }])
  })

  test('may name an email and a username that another profile has', async () => {
    await storeProfile(registered())
    expect(await storeProfile(registered())).toMatchObject({ isCreated: true })
  })

  test('is forgotten when it can come no more, in groups, and not sooner', async () => {
    await pool.query('delete from inbox')
    await pool.query('insert into inbox (source, id, seen_at) select \'s\', n::text, now() - interval \'9 days\' from generate_series(1, 2500) n')
    const recent = registered()
    await storeProfile(recent)
    expect(await removeOldMarks(pool, 8 * 24 * 60 * 60 * 1000)).toBe(2500)
    expect(await marks(recent.id)).toBe(1)
  })

  const days = async (...ages: number[]) => {
    await pool.query('delete from inbox')
    for (const age of ages) await pool.query('insert into inbox (source, id, seen_at) values (\'s\', $1, now() - $2 * interval \'1 day\')', [String(age), age])
  }
  const kept = async () => (await pool.query('select id from inbox order by seen_at desc')).rows.map(({ id }) => Number(id))

  test('is forgotten by the service that runs, a day after the retention of its topic', async () => {
    await days(7, 9)
    const app = await buildApp({
      HOST: '127.0.0.1', PORT: 0, KAFKA_BROKERS: '127.0.0.1:1', KAFKA_SESSION_TIMEOUT_MS: 3000, DATABASE_URL: database.url, SHUTDOWN_GRACE_MS: 10_000, LOG_LEVEL: 'silent'
    }, () => {})
    onTestFinished(async () => { await app.close() })
    await app.ready()
    await vi.waitFor(async () => expect(await kept()).toEqual([7]), 10_000)
  })

  test('is kept for as long as any of the topics keeps it', async () => {
    await days(3, 9, 11)
    const app = Fastify()
    onTestFinished(async () => { await app.close() })
    await app.register(fp(async app => { app.decorate('database', { pool, migrated: Promise.resolve() } as never) }, { name: 'database' }))
    const keptFor = (days: number) => ({ ...userRegister, config: { ...userRegister.config, 'retention.ms': String(days * 24 * 60 * 60 * 1000) } })
    await app.register(inboxCleanup, { topics: [keptFor(1), keptFor(9), keptFor(2)] })
    await vi.waitFor(async () => expect(await kept()).toEqual([3, 9]), 10_000)
  })
})
