import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { getTableConfig } from 'drizzle-orm/pg-core'
import { inbox } from 'shared-service'
import { createEvent, userRegister } from 'shared-topics'
import { faultOf } from '../../../shared-service/dist/database/faults.js'
import { migrateDatabase } from '../../../shared-service/dist/database/migrate.js'
import { removeOldMarks } from '../../../shared-service/dist/inbox/cleanup.js'
import { newDatabase } from '../../../test/fixtures/new-database.js'
import { storeProfile } from '../dist/profiles/store-profile.js'
import { profiles } from '../dist/profiles/table.js'

let database: Awaited<ReturnType<typeof newDatabase>>
let pool: pg.Pool

beforeAll(async () => {
  database = await newDatabase()
  await migrateDatabase(database.url, fileURLToPath(new URL('../drizzle', import.meta.url)))
  pool = new pg.Pool({ connectionString: database.url })
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
    expect(await storeProfile(pool, event)).toEqual({ isSeen: false, isCreated: true })
    const { id, email, username } = event.data
    expect(await profileOf(id)).toEqual([{ user_id: id, email, username }])
    expect(await marks(event.id)).toBe(1)
  })

  test('has its effect once, though it comes ten times at the same moment', async () => {
    const event = registered()
    const stored = await Promise.all(Array.from({ length: 10 }, async () => await storeProfile(pool, event)))
    expect(stored.filter(({ isCreated }) => isCreated)).toHaveLength(1)
    expect(stored.filter(({ isSeen }) => isSeen)).toHaveLength(9)
  })

  test('has no effect when its source and id were seen, whatever it says now', async () => {
    const event = registered()
    await storeProfile(pool, event)
    const other = { ...event, data: { ...event.data, id: randomUUID() } }
    expect(await storeProfile(pool, other)).toEqual({ isSeen: true, isCreated: false })
    expect(await profileOf(other.data.id)).toEqual([])
  })

  test('with the id of an event from another source is another event', async () => {
    const event = registered()
    await storeProfile(pool, event)
    expect(await storeProfile(pool, { ...event, source: '/elsewhere' })).toMatchObject({ isSeen: false })
  })

  test('keeps the first profile where the user has one', async () => {
    const event = registered()
    await storeProfile(pool, event)
    expect(await storeProfile(pool, registered({ id: event.data.id, username: 'second' }))).toEqual({ isSeen: false, isCreated: false })
    expect(await profileOf(event.data.id)).toMatchObject([{ username: 'imbatman' }])
  })

  test('leaves no mark where the profile cannot be stored, and the fault is the message\'s', async () => {
    const event = registered({ username: 'bat\0man' })
    expect(faultOf(await storeProfile(pool, event).catch(error => error))).toBe('message')
    expect(await marks(event.id)).toBe(0)
  })

  test('may name an email and a username that another profile has', async () => {
    await storeProfile(pool, registered())
    expect(await storeProfile(pool, registered())).toMatchObject({ isCreated: true })
  })

  test('is forgotten when it can come no more, in groups, and not sooner', async () => {
    await pool.query('delete from inbox')
    await pool.query('insert into inbox (source, id, seen_at) select \'s\', n::text, now() - interval \'9 days\' from generate_series(1, 2500) n')
    const recent = registered()
    await storeProfile(pool, recent)
    expect(await removeOldMarks(pool, 8 * 24 * 60 * 60 * 1000)).toBe(2500)
    expect(await marks(recent.id)).toBe(1)
  })
})
