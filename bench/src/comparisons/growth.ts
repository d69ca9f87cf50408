import { EMBEDDED_BROKER_SETTINGS } from '@pair/dev'
import type { Bench } from '../bench.js'
import { catchUp } from '../catching-up.js'
import { settingsOf } from '../connection.js'
import { register } from '../registering.js'
import { takeTurns } from '../rounds.js'
import { startShipped } from '../service.js'

/** Effect of years of old rows on the services' speed. */
export async function * compare (bench: Bench) {
  const { broker, isQuick, progress } = bench
  const rows = isQuick ? 200_000 : 10_000_000
  const events = !broker.isReal || isQuick ? 30_000 : 100_000
  const [empty, old] = [await migrated(bench), await migrated(bench)]
  try {
    progress(`writing ${rows.toLocaleString('en')} old rows into each table …`)
    await age(old, rows, isQuick ? 20_000 : 1_000_000)
    const ages = [{ name: 'empty tables', database: empty }, { name: `${rows.toLocaleString('en')} old rows in users, profiles and inbox`, database: old }]
    yield await takeTurns({
      ...bench,
      title: `growth: ${events.toLocaleString('en')} events to profiles`,
      unit: 'profiles/s',
      competitors: ages.map(({ name, database }) => ({ name, run: () => catchUp(bench, events, database.profile) }))
    })
    yield await takeTurns({
      ...bench,
      title: 'growth: POST /user/register, 100 connections',
      unit: 'requests/s',
      competitors: ages.map(({ name, database }) => ({
        name,
        run: async () => {
          const service = await startShipped('user', { ...settingsOf(broker.brokers), DATABASE_URL: database.user.url })
          try {
            await service.ready()
            return await register(service, isQuick ? 2 : 8)
          } finally {
            await service.close()
          }
        }
      }))
    })
  } finally {
    for (const { user, profile } of [empty, old]) for (const database of [user, profile]) await database.drop()
  }
}

/** A database with its tables for each service. */
async function migrated ({ broker, postgres }: Bench) {
  const databases = { user: await postgres.newDatabase(), profile: await postgres.newDatabase() }
  for (const name of ['user', 'profile'] as const) {
    const service = await startShipped(name, { ...settingsOf(broker.brokers), DATABASE_URL: databases[name].url, ...!broker.isReal && EMBEDDED_BROKER_SETTINGS })
    await service.ready()
    await service.close()
  }
  return databases
}

/** Rows of several years: ids in order of time, inbox rows within retention, an outbox that was filled and emptied. */
async function age ({ user, profile }: Awaited<ReturnType<typeof migrated>>, rows: number, sent: number): Promise<void> {
  const hex = 'lpad(to_hex(n), 12, \'0\')'
  const id = `(substr(${hex}, 1, 8) || '-' || substr(${hex}, 9) || '-7000-8000-000000000000')::uuid`
  for (let from = 1; from <= rows; from += 1_000_000) {
    const series = `generate_series(${from}, ${Math.min(rows, from + 999_999)}) n`
    await user.query(`insert into users (id, email, username, created_at) select ${id}, 'old-' || n || '@example.com', 'old-' || n, now() from ${series}`)
    await profile.query(`insert into profiles (user_id, email, username) select ${id}, 'old-' || n || '@example.com', 'old-' || n from ${series}`)
    await profile.query(`insert into inbox (source, id) select '/user-service', ${id}::text from ${series}`)
  }
  await user.query(`insert into outbox (id, aggregatetype, aggregateid, type, payload) select ${id}, 'user', n::text, 'user_register', repeat('x', 400) from generate_series(1, ${sent}) n`)
  await user.query('delete from outbox')
  for (const table of ['users', 'outbox']) await user.query(`vacuum analyze ${table}`)
  for (const table of ['profiles', 'inbox']) await profile.query(`vacuum analyze ${table}`)
}
