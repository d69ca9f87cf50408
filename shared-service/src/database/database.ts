import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { backoffMs, wait } from '../waiting/wait.js'
import { Outage } from '../logging/outage.js'
import { migrateDatabase } from './migrate.js'

export interface Database {
  /** For the hot statements: prepared by giving them a name. */
  pool: pg.Pool
  /** For queries where types are worth more than speed. */
  orm: NodePgDatabase
  /** Resolves when the migrations are applied; waits for ever while the database is away. */
  migrated: Promise<void>
  /** What was last seen of the database, at most 4 s ago. Not up before the migrations are applied. */
  isUp: boolean
}

declare module 'fastify' {
  interface FastifyInstance { database: Database }
}

const probeEveryMs = 2000

/**
 * Access to the service's own database. A start does not wait for it: migrations run in the background, and readiness
 * says how far they are. A database that does not answer fails each query within 2 s.
 */
export const database = fp(async (app: FastifyInstance, options: { url: string, migrations: string }) => {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: 10,
    // Together less than the 2 s in which a caller hears of it.
    connectionTimeoutMillis: 800, // for a connection, a free one included
    query_timeout: 1100, // when the server is silent
    statement_timeout: 1000, // so that it stops working on what nobody waits for
    keepAlive: true
  })
  // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
  pool.on('error', () => {})

  const stop = new AbortController()
  const outage = new Outage(app.log, 'the database')
  const state: Database = { pool, orm: drizzle({ client: pool }), migrated: migrated(), isUp: false }
  app.decorate('database', state)
  let probing: NodeJS.Timeout | undefined

  state.migrated.then(() => probe(), () => {})

  app.addHook('onClose', async () => {
    stop.abort()
    clearTimeout(probing)
    // A server that is silent would keep the pool from ending; nothing is left to wait for by now.
    await Promise.race([pool.end(), wait(1000)])
  })

  async function migrated (): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await migrateDatabase(options.url, options.migrations)
        outage.recovered()
        app.log.info('the database is up to date')
        return
      } catch (err) {
        outage.failed(err)
        await wait(backoffMs(attempt, 2000), stop.signal)
      }
    }
  }

  async function probe (): Promise<void> {
    try {
      await pool.query('select 1')
      state.isUp = true
      outage.recovered()
    } catch (err) {
      if (stop.signal.aborted) return
      state.isUp = false
      outage.failed(err)
    }
    if (!stop.signal.aborted) probing = setTimeout(probe, probeEveryMs)
  }
}, { name: 'database' })
