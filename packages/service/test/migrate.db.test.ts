import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { newDatabase, newRole } from '../../../test/fixtures/new-database.js'
import { build } from '../../../test/fixtures/settings.js'
import { makeOldDatabase, oldMigrations } from '../../../test/fixtures/old-database.js'
import { migrateDatabase } from '../dist/database/migrate.js'
import { MigrationError } from '../dist/database/migrations.js'
import { outboxRows } from '../dist/outbox/rows.js'

type Files = Array<[name: string, sql: string]>
const things: Files[number] = ['0001_things', 'create table things (id int primary key);\ninsert into things values (1);']
const others: Files[number] = ['0002_others', 'create table others (id int);']

async function folderOf (files: Files) {
  const folder = await mkdtemp(join(tmpdir(), 'migrations-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  for (const [name, sql] of files) await writeFile(join(folder, `${name}.sql`), sql)
  return folder
}

async function open () {
  const { url, close } = await newDatabase()
  onTestFinished(close)
  const client = await connect(url)
  const names = async () => (await client.query("select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and relname !~ '^(inbox|outbox|crash_guard|schema_migrations)' order by 1")).rows.map(({ relname }) => relname)
  const applied = async () => (await client.query("select name from schema_migrations where owner = 'a-service' order by name")).rows.map(({ name }) => name)
  const apply = async (files: Files, options?: Parameters<typeof migrateDatabase>[3]) => await migrateDatabase(url, 'a-service', await folderOf(files), options)
  return { url, client, names, applied, apply }
}

async function connect (connectionString: string) {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {}) // the database is dropped with it
  await client.connect()
  onTestFinished(() => client.end())
  return client
}

/** Waits until a migration waits for the lock that somebody else holds. */
const expectBlocked = async (client: pg.Client) => await vi.waitFor(async () => {
  const { rowCount } = await client.query("select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and wait_event = 'relation'")
  expect(rowCount).toBe(1)
}, { timeout: 60_000, interval: 20 })

describe('a migration', () => {
  const long: Files = [things, ['0002_long', 'select pg_sleep(0.4); alter table things add column name text;']]

  test('may take as long as it likes: an hour, or longer than the time limit of the database', async () => {
    const { url, client, applied, apply } = await open()
    await apply([things])
    await client.query(`alter database ${new URL(url).pathname.slice(1)} set statement_timeout = '300ms'`)
    const blocker = await connect(url)
    await blocker.query('begin; set local statement_timeout = 0; lock table things')
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => { vi.useRealTimers() })
    const done = apply(long)
    await expectBlocked(client)
    vi.advanceTimersByTime(60 * 60 * 1000)
    await blocker.query('rollback')
    await done
    expect(await applied()).toEqual(['0001_things', '0002_long'])
  })

  test('is applied once, and another replica waits for it and says so once', async () => {
    const { url, client, applied, apply } = await open()
    await apply([things])
    await client.query(`alter database ${new URL(url).pathname.slice(1)} set lock_timeout = '300ms'`)
    const blocker = await connect(url)
    const [onMigration, onWaiting] = [vi.fn(), vi.fn()]
    await blocker.query('begin; select pg_advisory_xact_lock(7264001)') // the other replica's
    const done = Promise.all([1, 2].map(async () => await apply(long, { onMigration, onWaiting })))
    await vi.waitFor(() => expect(onWaiting).toHaveBeenCalledTimes(2), 60_000)
    await blocker.query('commit')
    await done
    expect(onMigration.mock.calls).toEqual([['0002_long', 'started'], ['0002_long', 'applied']])
    expect(onWaiting).toHaveBeenCalledTimes(2)
    expect(await applied()).toEqual(['0001_things', '0002_long'])
  })

  test('ends on the server, too, when its service is stopped, and leaves nothing behind', async () => {
    const { client, names, apply } = await open()
    const stop = new AbortController()
    const done = apply([things, ['0002_long', 'create table others (id int); select pg_sleep(600);']], {
      signal: stop.signal, onMigration: name => { if (name === '0002_long') setTimeout(() => stop.abort(), 50) }
    })
    await expect(done).rejects.toThrow()
    await vi.waitFor(async () => {
      expect((await client.query("select from pg_stat_activity where datname = current_database() and query like '%pg_sleep(600)%' and pid <> pg_backend_pid()")).rowCount).toBe(0)
    }, { timeout: 60_000, interval: 100 })
    expect(await names()).toEqual(['things'])
  })

  test.each([
    ['fails', 'create table others (id int); insert into things values (1);', /^the migration 0002_x failed: PostgreSQL 23505: the value was refused \(things_pkey\)$/],
    ['has a statement that cannot be in a transaction', 'create index concurrently things_id on things (id);', /^the migration 0002_x failed: PostgreSQL 25001: CREATE INDEX CONCURRENTLY cannot run inside a transaction block$/],
    ['was stopped by somebody', 'select pg_cancel_backend(pg_backend_pid()); select pg_sleep(5);', /^the migration 0002_x failed: PostgreSQL 57014/]
  ])('that %s is named with the reason, and leaves nothing behind', async (_what, sql, message) => {
    const { names, applied, apply } = await open()
    await expect(apply([things, ['0002_x', sql]])).rejects.toThrow(expect.objectContaining({ name: 'Error', message: expect.stringMatching(message) }))
    expect(await names()).toEqual(['things'])
    expect(await applied()).toEqual(['0001_things'])
    await apply([things, others])
  })
})

describe('a database', () => {
  test('that is newer than the service is fine: an old replica starts again in the middle of a rolling update', async () => {
    const { client, applied, apply } = await open()
    await apply([things, others])
    await client.query("insert into schema_migrations (owner, name, hash) values ('@pair/service/of-a-later-version', '0001_x', 'x')")
    await apply([things])
    await apply([])
    expect(await applied()).toEqual(['0001_things', '0002_others'])
  })

  const third: Files[number] = ['0003_late', 'create table late (id int);']
  test.each<[string, Files, Files, RegExp]>([
    ['to which a later migration was applied', [things, third], [things, others, third], /^the migration 0002_others comes before one that was applied: give it a number above 0003$/],
    ['whose migration was changed', [things, others], [things, ['0002_others', 'create table others (id bigint);']], /^the migration 0002_others was changed after it had been applied$/],
    ['that has a migration of a branch', [things, others], [things, third], /^the database has a migration that this service does not have: 0002_others$/],
    ['with a folder that has a number twice', [], [things, others, ['0002_same', 'select 1']], /^two migrations have the number 0002: 0002_others.sql and 0002_same.sql$/],
    ['with a folder that has a file without a number', [], [['things', 'select 1']], /^things.sql is not the name of a migration: four digits, "_", a description, ".sql", as in 0001_users.sql$/]
  ])('%s is refused with one line, and not touched', async (_what, before, files, message) => {
    const { names, apply } = await open()
    if (before.length > 0) await apply(before)
    const tables = await names()
    await expect(apply(files)).rejects.toThrow(message)
    expect(await names()).toEqual(tables)
  })

  test('of another service is refused with one line that names it', async () => {
    const { url, names, apply } = await open()
    await apply([things])
    await expect(migrateDatabase(url, 'other-service', await folderOf([others]))).rejects.toThrow('the database belongs to another service: a-service')
    expect(await names()).toEqual(['things'])
  })

  test('is not what is called away where the files cannot be read', async () => {
    const { url } = await open()
    await expect(migrateDatabase(url, 'a-service', fileURLToPath(import.meta.url))).rejects.toThrow(expect.objectContaining({ constructor: MigrationError, message: expect.stringMatching(/^the migrations cannot be read: ENOTDIR/) }))
  })

  test('whose tables are gone is not up to date, whatever its list of migrations says', async () => {
    const { client, apply } = await open()
    await apply([things, others])
    await client.query('drop table others')
    await expect(apply([things, others])).rejects.toThrow('the table others is missing, although all migrations have been applied')
    await apply([things, others, ['0003_others', 'drop table if exists others']])
  })
})

describe('a database that an earlier version made', () => {
  const start = async (service: 'user' | 'profile', url: string) => await migrateDatabase(url, `${service}-service`, fileURLToPath(new URL(`../../../microservices/${service}/migrations`, import.meta.url)))
  /** What the runner of the version before refuses: it compares drizzle's list, and asks for its tables. */
  const drizzlesList = async (client: pg.Client) => (await client.query('select hash, created_at from drizzle.__drizzle_migrations order by id')).rows
  const shape = async (client: pg.Client) => (await client.query(`
    select table_name, column_name, data_type, is_nullable, column_default, is_identity from information_schema.columns where table_schema = 'public'
    union all select tablename, indexname, indexdef, null, null, null from pg_indexes where schemaname = 'public' order by 1, 2, 3`)).rows

  test.each([
    ['user', oldMigrations.user.slice(0, 1)], ['user', oldMigrations.user.slice(0, 2)], ['user', oldMigrations.user],
    ['profile', oldMigrations.profile.slice(0, 1)], ['profile', oldMigrations.profile]
  ] as const)('for the %s service with %j keeps its rows and drizzle\'s list, and becomes what a new one is', async (service, names) => {
    const { url, client } = await open()
    await makeOldDatabase(client, service, [...names])
    if (service === 'user') {
      await client.query("insert into users values (gen_random_uuid(), 'a@example.com', 'a-user', now())")
      await client.query("insert into outbox (id, aggregatetype, aggregateid, type, payload) values (gen_random_uuid(), 'user', '1', 'user_register', '{}')")
    } else {
      await client.query("insert into profiles values (gen_random_uuid(), 'a@example.com', 'a-user'); insert into inbox values ('/user-service', '1')")
    }
    const list = await drizzlesList(client)
    await Promise.all([start(service, url), start(service, url)])
    await start(service, url)
    expect(await drizzlesList(client)).toEqual(list)
    const kept = service === 'user' ? ['users', 'outbox'] : ['profiles', 'inbox']
    for (const table of kept) expect((await client.query(`select from ${table}`)).rowCount).toBe(1)
    if (service === 'user') expect(await outboxRows(client as never).read('user_register', [0])).toMatchObject([{ aggregateid: '1', isBlocked: false }])
    const fresh = await open()
    await start(service, fresh.url)
    expect(await shape(client)).toEqual(await shape(fresh.client))
  })

  test('with a migration of somebody\'s own is taken over where a file names it, and refused where none does', async () => {
    const { url, client, names, applied } = await open()
    const own = 'create table own (id int);'
    const hash = createHash('sha256').update(own).digest('hex')
    await client.query(own)
    await client.query('create schema drizzle; create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)')
    await client.query("insert into drizzle.__drizzle_migrations (hash) values ($1), ('another')", [hash])
    const files: Files = [['0001_own', `-- drizzle: ${hash}\n${own}`], others]
    const start = async () => await migrateDatabase(url, 'a-service', await folderOf(files))
    await expect(start()).rejects.toThrow('drizzle.__drizzle_migrations has another, which no migration here names in a line "-- drizzle: another"')
    await expect(migrateDatabase(url, 'a-service', await folderOf([others]))).rejects.toThrow('the database belongs to another service: none of')
    await client.query("delete from drizzle.__drizzle_migrations where hash = 'another'")
    await start()
    expect([await names(), await applied()]).toEqual([['others', 'own'], ['0001_own', '0002_others']])
  })
})

describe('a role that may not change the database', () => {
  test('starts on one that is up to date, with the rights on the tables alone', async () => {
    const { url, client, apply } = await open()
    await apply([things])
    const { name, url: asRole } = await newRole(url)
    const start = async () => await migrateDatabase(asRole, 'a-service', await folderOf([things]))
    await expect(start()).rejects.toThrow('the role may not read schema_migrations: grant select on it')
    await client.query(`grant select on schema_migrations to ${name}`)
    await expect(start()).rejects.toThrow('the role may not read and write the table inbox: grant select, insert, update and delete on it')
    await client.query(`grant select, insert, update, delete on all tables in schema public to ${name}`)
    for (const right of ['update', 'delete']) {
      for (const table of ['crash_guard', 'outbox']) {
        await client.query(`revoke ${right} on ${table} from ${name}`)
        await expect(start()).rejects.toThrow(`the role may not read and write the table ${table}: grant`)
        await client.query(`grant ${right} on ${table} to ${name}`)
      }
      await client.query(`revoke ${right} on things from ${name}`) // a service may only ever add to its own
    }
    await start()
  })

  test.each([['an empty database', []], ['an old one', [things]]])('is told what to run where there is something to migrate: %s', async (_what, before) => {
    const { url, client, names, apply } = await open()
    const { name, url: asRole } = await newRole(url)
    await client.query('revoke create on schema public from public')
    if (before.length > 0) {
      await apply(before)
      await client.query(`grant select on all tables in schema public to ${name}`)
    }
    const next = before.length > 0 ? '0002_others' : '0001_inbox'
    await expect(migrateDatabase(asRole, 'a-service', await folderOf([things, others]))).rejects.toThrow(
      `the database needs the migration ${next}, and this role may not apply it: run the command "migrate" with a role that may in MIGRATION_DATABASE_URL`)
    expect(await names()).toEqual(before.length > 0 ? ['things'] : [])
  })
})

test('a service whose database is another one\'s says so in readiness, reads no message, and goes on once that is put right', async () => {
  const { url, client } = await open()
  await migrateDatabase(url, 'user-service', fileURLToPath(new URL('../../../microservices/user/migrations', import.meta.url)))
  const app = await build('profile', { KAFKA_BROKERS: '127.0.0.1:1', DATABASE_URL: url })
  onTestFinished(async () => { await app.close() })
  const consume = vi.spyOn(app.kafka, 'consume')
  await app.ready()
  const ready = async () => (await app.inject('/health/ready')).json()
  await vi.waitFor(async () => expect(await ready()).toMatchObject({ status: 'unavailable', checks: { database: expect.stringContaining('belongs to another service') } }), 60_000)
  expect(consume).not.toHaveBeenCalled()
  await client.query("delete from schema_migrations where owner = 'user-service'")
  await vi.waitFor(async () => expect(await ready()).toMatchObject({ checks: { database: 'up' } }), 60_000)
  expect(consume).toHaveBeenCalledOnce()
})

test('the command migrates with the URL that may, says each step, and tells by its exit code what has to be done', async () => {
  const { url, client } = await open()
  const { name, url: asRole } = await newRole(url)
  await client.query('revoke create on schema public from public')
  const command = async (settings: Record<string, string>) => {
    const args = [fileURLToPath(new URL('../../dev/dist/migrate.js', import.meta.url)), 'user']
    return await new Promise(resolve => execFile(process.execPath, args, { env: settings }, (error, stdout, stderr) => resolve([error?.code ?? 0, stdout + stderr])))
  }
  expect(await command({ DATABASE_URL: asRole })).toEqual([1, expect.stringMatching(/user-service: the database needs the migration 0001_inbox, and this role may not apply it: .*\n$/)])
  const both = { DATABASE_URL: asRole, MIGRATION_DATABASE_URL: url }
  expect(await command(both)).toEqual([0, expect.stringMatching(/^user-service: migration 0001_inbox started\nuser-service: migration 0001_inbox applied\n(.*\n)*user-service: the database is up to date\n$/)])
  expect(await command(both)).toEqual([0, 'user-service: the database is up to date\n'])
  await client.query(`grant select, insert, update, delete on all tables in schema public to ${name}`)
  expect(await command({ DATABASE_URL: asRole })).toEqual([0, 'user-service: the database is up to date\n'])
  expect(await command({ MIGRATION_DATABASE_URL: 'mysql://topsecret@x/y' })).toEqual([2, expect.stringMatching(/^user-service: MIGRATION_DATABASE_URL must be (?!.*topsecret).*\n$/)])
  expect(await command({ DATABASE_URL: 'postgres://user@127.0.0.1:1/x' })).toEqual([3, 'user-service: the database is away: connect ECONNREFUSED 127.0.0.1:1\n'])
})
