import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { newId, type EventFactory } from '@pair/service'
import { createEvent, decoder } from '@pair/events'
import { userRegister, type UserRegister } from '@pair/shared-topics'
import { migrateDatabase } from '../../../packages/service/dist/database/migrate.js'
import { ServicePool } from '../../../packages/service/dist/database/pool.js'
import { Outbox } from '../../../packages/service/dist/outbox/outbox.js'
import { messageMaker } from '../../../packages/service/dist/publishing/messages-of.js'
import { newDatabase } from '../../../test/fixtures/new-database.js'
import { makeOldDatabase } from '../../../test/fixtures/old-database.js'
import { userStore } from '../dist/users/store-user.js'

/** A user store on this database; `end` closes its connections. */
function storeOn (connectionString: string) {
  const requestPool = new ServicePool({ connectionString }, 10)
  const store = userStore({
    database: { requestPool },
    outbox: new Outbox({ relayId: 0, add () {} }, messageMaker(() => [userRegister]), 'user', requestPool),
    sends: () => userRegistered
  } as never)
  return { store: async (user: ReturnType<typeof someone>) => await store(user, traceparent), end: async () => { await requestPool.end() } }
}

const migrations = fileURLToPath(new URL('../migrations', import.meta.url))
let database: Awaited<ReturnType<typeof newDatabase>>
let pool: pg.Pool
const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const userRegistered: EventFactory<UserRegister> = ({ time = new Date(), ...event }) => createEvent(userRegister, { id: newId(), source: '/user-service', time, ...event })
let storeUser: ReturnType<typeof storeOn>['store']
let end: () => Promise<void>

beforeAll(async () => {
  database = await newDatabase()
  // Three replicas that start at once.
  await Promise.all([1, 2, 3].map(async () => await migrateDatabase(database.url, 'user-service', migrations)))
  pool = new pg.Pool({ connectionString: database.url })
  pool.on('error', () => {}) // the database is dropped while the last connections end
  ;({ store: storeUser, end } = storeOn(database.url))
})
afterAll(async () => {
  await Promise.all([pool.end(), end()])
  await database.close()
})

const someone = () => {
  const name = `Name${randomBytes(6).toString('hex')}`
  return { email: `${name}@Example.com`, username: name }
}
const events = async (id: string) => (await pool.query('select * from outbox where aggregateid = $1', [id])).rows

test('the migrations are applied once although three replicas start at the same moment', async () => {
  const { rows } = await pool.query('select owner, name from schema_migrations order by applied_at')
  expect(rows.map(({ owner, name }) => `${owner} ${name}`)).toEqual([
    '@pair/service/inbox 0001_inbox', '@pair/service/inbox 0002_inbox_fingerprint', '@pair/service/inbox 0003_crash_guard',
    '@pair/service/outbox 0001_outbox', '@pair/service/outbox 0002_outbox_relays',
    'user-service 0001_users', 'user-service 0002_users_in_any_collation'
  ])
})

describe('a user who registers', () => {
  test('is stored as typed, together with the event', async () => {
    const typed = someone()
    const { user, eventId } = await storeUser(typed)
    expect((await pool.query('select * from users where id = $1', [user.id])).rows).toEqual([{ id: user.id, ...typed, created_at: user.createdAt }])

    const [stored] = await events(user.id)
    expect(stored).toMatchObject({ id: eventId, aggregatetype: 'user', type: 'user_register', traceparent, claimed_at: null, parked: null })
    expect(decoder(userRegister)(Buffer.from(stored.payload))).toMatchObject({ ok: true, event: { id: stored.id, subject: user.id, traceparent, data: { id: user.id, ...typed } } })
  })

  test.each([
    ['the email in another case', (typed: { email: string }) => ({ ...someone(), email: typed.email.toUpperCase() }), 'email'],
    ['the username in another case', (typed: { username: string }) => ({ ...someone(), username: typed.username.toLowerCase() }), 'username'],
    ['both', (typed: { email: string, username: string }) => typed, 'email']
  ])('is refused if another user has %s, and no event is stored', async (_what, again, field) => {
    const typed = someone()
    await storeUser(typed)
    const before = (await pool.query('select from outbox')).rowCount
    await expect(storeUser(again(typed))).rejects.toMatchObject({ statusCode: 409, errors: [{ field, message: 'is taken' }] })
    expect((await pool.query('select from outbox')).rowCount).toBe(before)
  })

  // The detail of an error quotes the value, and PostgreSQL logs it.
  test('and is refused causes no error in PostgreSQL, which would log the email and username of the other user', async () => {
    const own = await newDatabase()
    onTestFinished(own.close)
    await migrateDatabase(own.url, 'user-service', migrations)
    const { store, end } = storeOn(own.url)
    const typed = someone()
    await store(typed)
    const again = [typed, { ...someone(), email: typed.email }, { ...someone(), username: typed.username }]
    for (const user of again) await expect(store(user)).rejects.toMatchObject({ statusCode: 409 })
    await expect(Promise.all(again.map(async user => await store(user)))).rejects.toMatchObject({ statusCode: 409 })
    await end()
    // A failed transaction counts as rolled back. A connection reports its last statistics when it ends.
    await vi.waitFor(async () => {
      const { rows: [counted] } = await pool.query('select xact_commit::int as committed, xact_rollback::int as failed, numbackends as open from pg_stat_database where datname = $1', [new URL(own.url).pathname.slice(1)])
      expect(counted).toMatchObject({ failed: 0, open: 0 })
      expect(counted.committed).toBeGreaterThan(7)
    }, 10_000)
  })

  test('twice at the same moment is stored once and refused once', async () => {
    const typed = someone()
    const results = await Promise.allSettled([storeUser(typed), storeUser(typed)])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  test('among others at the same moment is stored or refused independently of them', async () => {
    const [known, ...others] = Array.from({ length: 50 }, someone) as [ReturnType<typeof someone>]
    await storeUser(known)
    const results = await Promise.allSettled([
      ...others, { ...someone(), email: known.email }, { ...someone(), username: known.username }
    ].map(async typed => await storeUser(typed)))
    expect(results.slice(0, others.length).every(({ status }) => status === 'fulfilled')).toBe(true)
    expect(results.slice(others.length)).toMatchObject([{ reason: { errors: [{ field: 'email' }] } }, { reason: { errors: [{ field: 'username' }] } }])
    for (const result of results) if (result.status === 'fulfilled') expect(await events(result.value.user.id)).toHaveLength(1)
  })

  test('in one batch with a user that the database refuses is stored', async () => {
    const others = Array.from({ length: 20 }, someone)
    const results = await Promise.allSettled([...others.slice(0, 7), { ...someone(), username: 'bat\0man' }, ...others.slice(7)].map(async typed => await storeUser(typed)))
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1)
    expect(results[7]).toMatchObject({ reason: { code: '22P05' } })
  })
})

describe('in a database with Turkish collation, in which I and i are two letters', () => {
  const turkish = "template template0 encoding 'UTF8' locale_provider icu icu_locale 'tr-TR' lc_collate 'C' lc_ctype 'C'"
  const open = async () => {
    const own = await newDatabase(turkish)
    const pool = new pg.Pool({ connectionString: own.url })
    pool.on('error', () => {})
    const { store, end } = storeOn(own.url)
    onTestFinished(async () => {
      await Promise.all([pool.end(), end()])
      await own.close()
    })
    return { ...own, pool, store }
  }
  const first = { email: 'info@example.com', username: 'admin' }

  test('an email or username that differs only in case is refused', async () => {
    const { url, store, pool } = await open()
    await migrateDatabase(url, 'user-service', migrations)
    expect((await pool.query("select lower('I') <> 'i' as apart")).rows).toEqual([{ apart: true }])
    await store(first)
    await expect(store({ email: 'INFO@EXAMPLE.COM', username: 'robin' })).rejects.toMatchObject({ statusCode: 409, errors: [{ field: 'email' }] })
    await expect(store({ email: 'robin@example.com', username: 'ADMIN' })).rejects.toMatchObject({ statusCode: 409, errors: [{ field: 'username' }] })
  })

  test('existing users are kept; if two of them have the same name, the migration fails with that reason and changes nothing', async () => {
    const { url, pool } = await open()
    await makeOldDatabase(pool, 'user', ['0000_users_and_outbox'])
    const insert = 'insert into users values (gen_random_uuid(), $1, $2, now())'
    await pool.query(insert, [first.email, first.username])
    await pool.query(insert, ['robin@example.com', 'ADMIN'])
    await expect(migrateDatabase(url, 'user-service', migrations)).rejects.toThrow('the migration 0002_users_in_any_collation failed: PostgreSQL P0001: there are usernames that differ only in case: rename all but one of each')
    expect((await pool.query('select from users')).rowCount).toBe(2)
    // Created by hand, the index fails too and is left invalid: it enforces nothing and must not replace the old one.
    await expect(pool.query('create unique index concurrently users_username_c_key on users (lower(username collate "C"))')).rejects.toThrow('could not create')
    await pool.query("update users set username = 'admin2' where username = 'ADMIN'")
    await expect(migrateDatabase(url, 'user-service', migrations)).rejects.toThrow('not a valid index: users_username_c_key. Wait until it is made, or drop it')
    await pool.query('drop index users_username_c_key')
    await migrateDatabase(url, 'user-service', migrations)
    expect((await pool.query('select from users')).rowCount).toBe(2)
    await expect(pool.query(insert, ['INFO@example.com', 'x'])).rejects.toMatchObject({ constraint: 'users_email_key' })
    await expect(pool.query(insert, ['x@example.com', 'ADMIN2'])).rejects.toMatchObject({ constraint: 'users_username_key' })
  })
})
