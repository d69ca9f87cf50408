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
  /** For the service's own work: handlers of messages, the relay, the probe. Requests, however many, take nothing from it. */
  pool: pg.Pool & Pick<ServicePool, 'transaction'>
  /** For requests. */
  requestPool: pg.Pool & Pick<ServicePool, 'transaction'>
  /** Resolves when the migrations are applied; waits for ever while the database is away. */
  migrated: Promise<void>
  /** What was last seen of the database, at most 4 s ago. Not up before the migrations are applied. */
  isUp: boolean
  /** For readiness: `up`, `away`, or what keeps the migrations from being applied. */
  state: string
}

declare module 'fastify' {
  interface FastifyInstance {
    database: Database
    /**
     * Runs `task` in a transaction, on a connection for requests: committed when it resolves, rolled back when it rejects. The
     * connection is given back before this resolves or rejects. Each statement has its time limit of 1 s.
     */
    transaction: <Result>(task: (db: Db) => Promise<Result>) => Promise<Result>
  }
}

const probeEveryMs = 2000
const probeTimeoutMs = 1900
/** The longest pause between two attempts to migrate: a failed migration may have taken long, and will again. */
const refusedCapMs = 30_000

/**
 * Access to the service's own database. A start does not wait for it: migrations run in the background, and readiness
 * says how far they are. A database that does not answer fails each query within 2 s.
 */
export const database = fp(async (app: FastifyInstance, options: { url: string, service: string, migrations: string }) => {
  const connection = connectionOf(options.url)
  const pool = new ServicePool(connection, workConnections)
  const requestPool = new ServicePool(connection, requestConnections)

  const stop = new AbortController()
  const status = new DependencyStatus(app.log, 'the database')
  const state: Database = { pool, requestPool, migrated: migrated(), isUp: false, state: 'away' }
  app.decorate('database', state)
  app.decorate('transaction', async task => await requestPool.transaction(task))
  let probing: NodeJS.Timeout | undefined

  state.migrated.then(() => probe(), () => {})

  app.addHook('onClose', async () => {
    stop.abort()
    clearTimeout(probing)
    // A server that is silent would keep the pool from ending; nothing is left to wait for by now.
    await Promise.race([Promise.all([pool.end(), requestPool.end()]), delay(shutdown.poolsMs)])
  })

  async function migrated (): Promise<void> {
    let refusal: string | undefined
    for (let attempt = 1; ; attempt++) {
      try {
        await migrateDatabase(options.url, options.service, options.migrations, {
          signal: stop.signal,
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
        stop.signal.throwIfAborted()
        if (err instanceof MigrationError) {
          status.recovered() // it answers
          if (err.message !== refusal) app.log.error({ err }, 'the database cannot be used as it is, trying again')
          state.state = refusal = err.message
        } else {
          status.failed(err)
          state.state = 'away'
          refusal = undefined
        }
        await delay(backoffMs(attempt, refusal === undefined ? 2000 : refusedCapMs), stop.signal)
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
      // All connections are at work, so it is not away.
      if (!isOverload(err)) {
        state.isUp = false
        state.state = 'away'
        status.failed(err)
      }
    }
    if (!stop.signal.aborted) probing = setTimeout(probe, probeEveryMs)
  }

  /** A connection for the next request, which need not wait until one is made: on a busy machine that takes longer than it may. */
  async function keepWarm (): Promise<void> {
    if (requestPool.waitingCount === 0) await requestPool.query('select 1').catch(() => {})
  }
}, { name: 'database' })

/** Resolves when the database answers; rejects when it does not, however late this process is in hearing it. */
async function answers (pool: pg.Pool): Promise<void> {
  const end = new AbortController()
  const tooLate = async () => {
    await delay(probeTimeoutMs, end.signal)
    // On a busy process the answer may be there, and its turn is after this timer's.
    await new Promise(resolve => setImmediate(resolve))
    throw new Error(`no answer within ${probeTimeoutMs} ms`)
  }
  // pg's types do not know this time limit, which is for the connection: it is given up.
  const query = { text: 'select 1', query_timeout: 2 * probeTimeoutMs } as pg.QueryConfig
  try {
    await Promise.race([pool.query(query), tooLate()])
  } finally {
    end.abort()
  }
}
