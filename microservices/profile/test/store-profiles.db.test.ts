import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { faultOf } from '../../../packages/service/dist/database/faults.js'
import { migrateDatabase } from '../../../packages/service/dist/database/migrate.js'
import { newDatabase } from '../../../test/fixtures/new-database.js'
import { build } from '../../../test/fixtures/settings.js'
import { storeProfiles } from '../dist/profiles/store-profiles.js'

let database: Awaited<ReturnType<typeof newDatabase>>
let pool: pg.Pool

beforeAll(async () => {
  database = await newDatabase()
  await migrateDatabase(database.url, 'profile-service', fileURLToPath(new URL('../migrations', import.meta.url)))
  pool = new pg.Pool({ connectionString: database.url })
  pool.on('error', () => {}) // the database is dropped while the last connections end
})
afterAll(async () => {
  await pool.end()
  await database.close()
})

const newUser = (data: Partial<{ id: string, email: string, username: string }> = {}) => ({ id: randomUUID(), email: 'user@example.com', username: 'imbatman', ...data })
const profileOf = async (id: string) => (await pool.query('select user_id, email, username from profiles where user_id = $1', [id])).rows

test('each registered user gets a profile', async () => {
  const users = [newUser(), newUser(), newUser()]
  expect(await storeProfiles(pool, users)).toEqual([true, true, true])
  for (const { id, email, username } of users) expect(await profileOf(id)).toEqual([{ user_id: id, email, username }])
})

test('an existing profile is kept, and of two events of one user in one batch the first is stored', async () => {
  const [user, old] = [newUser(), newUser()]
  await storeProfiles(pool, [old])
  expect(await storeProfiles(pool, [user, { ...old, username: 'second' }, { ...user, username: 'second' }, newUser()])).toEqual([true, false, false, true])
  for (const { id } of [user, old]) expect(await profileOf(id)).toMatchObject([{ username: 'imbatman' }])
})

test('a value that cannot be stored is a permanent failure of its message', async () => {
  expect(faultOf(await storeProfiles(pool, [newUser({ username: 'bat\0man' })]).catch(error => error))).toBe('permanent')
})

test('a running service removes an inbox entry when neither the topic nor a replay can bring the event again: after twice the sum of retention, segment time and a day', async () => {
  for (const age of [17, 19]) await pool.query('insert into inbox (source, id, seen_at) values (\'s\', $1, now() - $2 * interval \'1 day\')', [String(age), age])
  const app = await build('profile', { KAFKA_BROKERS: '127.0.0.1:1', DATABASE_URL: database.url })
  onTestFinished(async () => { await app.close() })
  await app.ready()
  await vi.waitFor(async () => expect((await pool.query('select id from inbox')).rows).toEqual([{ id: '17' }]), 60_000)
})
