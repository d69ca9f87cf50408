import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type pg from 'pg'
import { connectionOf } from './connection.js'
import { backoffMs, delay } from '../concurrency/delay.js'
import { DependencyStatus } from '../logging/dependency-status.js'
import { requestConnections, shutdown, workConnections } from '../limits.js'
import { migrateDatabase } from './migrate.js'
import { MigrationError } from './migrations.js'
import { isOverload, ServicePool } from './pool.js'
import type { Db } from './transaction.js'

export interface Database {
  /** Pool for the service's own work: message handlers, the relay, the probe. Requests never use its connections. */
  pool: pg.Pool & Pick<ServicePool, 'transaction'>
  /** Pool for requests. */
  requestPool: pg.Pool & Pick<ServicePool, 'transaction'>
  /**
   * Resolves when the migrations are applied. It has no time limit: it waits as long as the database is unreachable. Rejects when the
   * service closes before, at its start (`preClose`): what a plugin awaits in its own `onClose` may wait for this.
   */
  migrated: Promise<void>
  /** Result of the last probe, at most 4 s old. False until the migrations are applied. */
  isUp: boolean
  /** For readiness: `up`, `away`, or the reason why the migrations are not applied. */
  state: string
}

declare module 'fastify' {
  interface FastifyInstance {
    database: Database
    /**
     * Runs `task` in a transaction on a connection of `requestPool`: commits when it resolves, rolls back when it rejects. The
     * connection is released before this resolves or rejects. Each statement has a time limit of 1 s.
     */
    transaction: <Result>(task: (db: Db) => Promise<Result>) => Promise<Result>
  }
}

const probeEveryMs = 2000
const probeTimeoutMs = 1900
/** The longest pause in ms after a failed migration, which may take long at each attempt. */
const refusedCapMs = 30_000

/**
 * Access to the service's own database. The start does not wait for it: migrations run in the background, and readiness
 * reports their state. If the database does not answer, each query fails within 2 s.
 */
export const database = fp(async (app: FastifyInstance, options: { url: string, service: string, migrations: string }) => {
  const connection = connectionOf(options.url)
  const pool = new ServicePool(connection, workConnections)
  const requestPool = new ServicePool(connection, requestConnections)

  const [migrating, stop] = [new AbortController(), new AbortController()]
  const status = new DependencyStatus(app.log, 'the database')
  const state: Database = { pool, requestPool, migrated: migrated(), isUp: false, state: 'away' }
  app.decorate('database', state)
  app.decorate('transaction', async task => await requestPool.transaction(task))
  let probing: NodeJS.Timeout | undefined

  state.migrated.then(() => probe(), () => {})

  app.addHook('preClose', async () => migrating.abort())
  app.addHook('onClose', async () => {
    stop.abort()
    clearTimeout(probing)
    // Time limit: an unresponsive server would keep pool.end() from resolving, and no work is left to wait for.
    await Promise.race([Promise.all([pool.end(), requestPool.end()]), delay(shutdown.poolsMs)])
  })

  async function migrated (): Promise<void> {
    let refusal: string | undefined
    for (let attempt = 1; ; attempt++) {
      try {
        await migrateDatabase(options.url, options.service, options.migrations, {
          signal: migrating.signal,
          onMigration (migration, step) {
            state.state = `migrating: ${migration}`
            app.log.info({ migration }, `the database: migration ${step}`)
          },
          onWaiting () {
            state.state = 'waiting for the migrations of another replica'
            app.log.info('the database: waiting for another replica to apply the migrations')
          }
        })
        status.recovered()
        app.log.info('the database is up to date')
        return
      } catch (err) {
        migrating.signal.throwIfAborted()
        if (err instanceof MigrationError) {
          status.recovered() // the database answers
          if (err.message !== refusal) app.log.error({ err }, 'the database cannot be used as it is, trying again')
          state.state = refusal = err.message
        } else {
          status.failed(err)
          state.state = 'away'
          refusal = undefined
        }
        await delay(backoffMs(attempt, refusal === undefined ? 2000 : refusedCapMs), migrating.signal)
      }
    }
  }

  async function probe (): Promise<void> {
    try {
      await answers(pool)
      const warm = keepWarm()
      if (!state.isUp) await warm
      state.isUp = true
      state.state = 'up'
      status.recovered()
    } catch (err) {
      if (stop.signal.aborted) return
      // If all connections are in use, the database is reachable.
      if (!isOverload(err)) {
        state.isUp = false
        state.state = 'away'
        status.failed(err)
      }
    }
    if (!stop.signal.aborted) probing = setTimeout(probe, probeEveryMs)
  }

  /** Keeps one connection open for the next request: on a busy machine a new one may take longer than a request waits. */
  async function keepWarm (): Promise<void> {
    if (requestPool.waitingCount === 0) await requestPool.query('select 1').catch(() => {})
  }
}, { name: 'database' })

/** Resolves if the database answers in time. A late event loop does not count as a late answer. */
async function answers (pool: pg.Pool): Promise<void> {
  const end = new AbortController()
  const tooLate = async () => {
    await delay(probeTimeoutMs, end.signal)
    // In a busy process the answer may have arrived, but be handled after this timer.
    await new Promise(resolve => setImmediate(resolve))
    throw new Error(`no answer within ${probeTimeoutMs} ms`)
  }
  // query_timeout, missing in pg's types, closes the connection of an unanswered query.
  const query = { text: 'select 1', query_timeout: 2 * probeTimeoutMs } as pg.QueryConfig
  try {
    await Promise.race([pool.query(query), tooLate()])
  } finally {
    end.abort()
  }
}
