import pg from 'pg'
import { delay } from '../concurrency/delay.js'
import { describeError } from '../logging/errors.js'
import { connectionOf } from './connection.js'
import { sqlState } from './faults.js'
import { addToHistory, checkTables, createHistory, queryWithTimeout, readHistory } from './migration-history.js'
import { MigrationError, pendingMigrations, readMigrations, type Migration, type Migrations } from './migrations.js'

/** Id of the advisory lock: arbitrary, but the same in every replica and version. */
const lockId = 7_264_001
const lockRetryMs = 1000

export interface MigrateOptions {
  /** Closes the connection, so that the database rolls back a running migration, and rejects at once. */
  signal?: AbortSignal
  /** Called when a migration begins, and when it is committed. */
  onMigration?: (name: string, step: 'started' | 'applied') => void
  /** Called once if another replica is migrating. */
  onWaiting?: () => void
}

/**
 * Applies the pending migrations: first those of this package's tables, then the service's own. If none is pending, the
 * database is only read, which needs no further permission. Each migration is one transaction together with its row in
 * `schema_migrations`. If several replicas start together, one migrates and the others wait. The lock is held by that
 * transaction, so this also works behind a pooler in transaction mode; public runners (node-pg-migrate, postgrator, drizzle)
 * use a session lock, or none.
 *
 * @param service the owner of the database: `user-service`
 * @param folder its SQL files: `0001_users.sql`, `0002_…`
 * @throws MigrationError if an operator must act; any other error means that the database is unreachable
 */
export async function migrateDatabase (url: string, service: string, folder: string, options: MigrateOptions = {}): Promise<void> {
  const { signal } = options
  const migrations = await readMigrations(service, folder)
  const client = new pg.Client({ ...connectionOf(url), connectionTimeoutMillis: 2000, keepAlive: true, keepAliveInitialDelayMillis: 10_000 })
  // Without a listener, a connection lost between two queries would end the process. The next query reports the loss.
  client.on('error', () => {})
  signal?.throwIfAborted()
  let abort = () => {}
  const aborted = new Promise<never>((_resolve, reject) => { abort = () => reject(signal?.reason) })
  signal?.addEventListener('abort', abort, { once: true })
  try {
    // A connection that is closed under way may leave a call of the client without an answer.
    await Promise.race([aborted, applyAll(client, migrations, options)])
  } finally {
    signal?.removeEventListener('abort', abort)
    client.end().catch(() => {}) // not awaited: an unresponsive server would never confirm the close
  }
}

async function applyAll (client: pg.Client, migrations: Migrations[], { signal, onMigration, onWaiting }: MigrateOptions): Promise<void> {
  await client.connect()
  let isWaiting = false
  while (pendingMigrations(migrations, (await readHistory(client, migrations)).applied).length > 0) {
    if (await applyNext(client, migrations, onMigration)) continue
    if (!isWaiting) onWaiting?.()
    isWaiting = true
    await delay(lockRetryMs, signal)
  }
  await checkTables(client, migrations)
}

/** @returns false when another replica is migrating */
async function applyNext (client: pg.Client, migrations: Migrations[], onMigration: MigrateOptions['onMigration']): Promise<boolean> {
  await queryWithTimeout(client, 'begin')
  try {
    // Polled: waiting for the lock would occupy a pooler's connection and could hit a time limit.
    const [lock] = await queryWithTimeout<{ isOurs: boolean }>(client, `select pg_try_advisory_xact_lock(${lockId}) as "isOurs"`)
    let next: Migration | undefined
    if (lock?.isOurs) {
      // Read again: another replica may have migrated meanwhile.
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
    await queryWithTimeout(client, 'rollback').catch(() => {})
    throw error
  }
}

async function apply (client: pg.Client, migration: Migration, before: () => Promise<void>): Promise<void> {
  try {
    await client.query(`select set_config(name, '0', true) from pg_settings
      where name in ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')`)
    // Makes the server cancel the migration if this process is gone. Needs PostgreSQL 14 and support by its operating system.
    await client.query('do $$ begin set local client_connection_check_interval = 2000; exception when others then null; end $$')
    await before()
    await client.query(migration.sql)
    await addToHistory(client, migration)
  } catch (error) {
    const state = sqlState(error)
    // No SQLSTATE or class 08/57P: the connection was lost, or the server is shutting down.
    if (state === undefined || /^(08|57P)/.test(state)) throw error
    throw new MigrationError(state === '42501'
      ? `the database needs the migration ${migration.name}, and this role may not apply it: run the command "migrate" with a role that may in MIGRATION_DATABASE_URL`
      : `the migration ${migration.name} failed: ${describeError(error)}`, { cause: error })
  }
}
