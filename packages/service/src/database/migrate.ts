import pg from 'pg'
import { delay } from '../concurrency/delay.js'
import { describeError } from '../logging/errors.js'
import { connectionOf } from './connection.js'
import { sqlState } from './faults.js'
import { addToHistory, checkTables, createHistory, look, readHistory } from './migration-history.js'
import { MigrationError, pendingMigrations, readMigrations, type Migration, type Migrations } from './migrations.js'

/** Any number will do, as long as it is the same in every replica of every version. */
const lockId = 7_264_001
const lockRetryMs = 1000

export interface MigrateOptions {
  /** Ends the connection, and with it a migration under way: the database rolls it back. */
  signal?: AbortSignal
  /** Called when a migration begins, and when it is committed. */
  onMigration?: (name: string, step: 'started' | 'applied') => void
  /** Called once when another replica is found to be migrating. */
  onWaiting?: () => void
}

/**
 * Brings the database up to date: the tables of this package first, then the service's own. What is up to date is only read,
 * so that needs no right to change anything. Each migration is a transaction, with its row in `schema_migrations`; of replicas
 * that start at once one migrates and the others wait. Everything that must hold for longer than a statement stands in that
 * transaction, so that it works behind a pooler in transaction mode, too. Public runners (node-pg-migrate, postgrator, drizzle's)
 * hold a lock of the session, or none.
 *
 * @param service the owner of the database: `user-service`
 * @param folder its SQL files: `0001_users.sql`, `0002_…`
 * @throws MigrationError where somebody has to put something right first; anything else means that the database is away
 */
export async function migrateDatabase (url: string, service: string, folder: string, { signal, onMigration, onWaiting }: MigrateOptions = {}): Promise<void> {
  const migrations = await readMigrations(service, folder)
  const client = new pg.Client({ ...connectionOf(url), connectionTimeoutMillis: 2000, keepAlive: true, keepAliveInitialDelayMillis: 10_000 })
  // Without a listener a connection that breaks between two queries would end the process; the next query says it too.
  client.on('error', () => {})
  // Not waited for: a server that stopped answering would not let the connection be closed politely.
  const end = () => { client.end().catch(() => {}) }
  signal?.throwIfAborted()
  signal?.addEventListener('abort', end, { once: true })
  try {
    await client.connect()
    let isWaiting = false
    while (pendingMigrations(migrations, (await readHistory(client, migrations)).applied).length > 0) {
      if (await applyNext(client, migrations, onMigration)) continue
      if (!isWaiting) onWaiting?.()
      isWaiting = true
      await delay(lockRetryMs, signal)
    }
    await checkTables(client, migrations)
  } finally {
    signal?.removeEventListener('abort', end)
    end()
  }
}

/** @returns false when another replica is migrating */
async function applyNext (client: pg.Client, migrations: Migrations[], onMigration: MigrateOptions['onMigration']): Promise<boolean> {
  await look(client, 'begin')
  try {
    // Asked for again and again: waiting for it would keep a pooler's connection, and could meet a time limit.
    const [lock] = await look<{ isOurs: boolean }>(client, `select pg_try_advisory_xact_lock(${lockId}) as "isOurs"`)
    let next: Migration | undefined
    if (lock?.isOurs) {
      // Read again: another replica may have been faster.
      const { isThere, applied } = await readHistory(client, migrations)
      next = pendingMigrations(migrations, applied)[0]
      if (next) {
        onMigration?.(next.name, 'started')
        await apply(client, next, async () => { if (!isThere) await createHistory(client, applied) })
      }
    }
    await client.query('commit')
    if (next) onMigration?.(next.name, 'applied')
    return lock?.isOurs ?? false
  } catch (error) {
    await look(client, 'rollback').catch(() => {})
    throw error
  }
}

async function apply (client: pg.Client, migration: Migration, before: () => Promise<void>): Promise<void> {
  try {
    await client.query(`select set_config(name, '0', true) from pg_settings
      where name in ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')`)
    // The server stops when this process is gone (from PostgreSQL 14 on, and where its system can tell).
    await client.query('do $$ begin set local client_connection_check_interval = 2000; exception when others then null; end $$')
    await before()
    await client.query(migration.sql)
    await addToHistory(client, migration)
  } catch (error) {
    const state = sqlState(error)
    // The connection was lost, or the server is shutting down.
    if (state === undefined || /^(08|57P)/.test(state)) throw error
    throw new MigrationError(state === '42501'
      ? `the database needs the migration ${migration.name}, and this role may not apply it: run the command "migrate" with a role that may in MIGRATION_DATABASE_URL`
      : `the migration ${migration.name} failed: ${describeError(error)}`, { cause: error })
  }
}
