import pg from 'pg'
import { causesOf, transient } from './faults.js'
import { answerTimeoutMs, connectTimeoutMs, statementTimeoutMs, waitForConnectionMs } from '../limits.js'
import { TransactionClient, withoutName, type Db } from './transaction.js'

type Connected = Parameters<pg.Pool['connect']>[0]

/** All connections were in use for the whole waiting time: the service is overloaded. */
export class OverloadError extends Error {
  override readonly name = 'OverloadError'
}

/** Whether an error or one of its causes is an OverloadError. */
export function isOverload (error: unknown): boolean {
  return causesOf(error).some(cause => cause instanceof OverloadError)
}

/**
 * A pool that marks errors of the connection as transient: every error before a client is acquired (TLS, login, a pooler), and
 * every error that ends a connection later. None of them can be caused by a message, and no list of codes and texts would be
 * complete.
 *
 * Supports a pooler in transaction mode such as PgBouncer, which may send each transaction to another server connection, where
 * a prepared statement is missing or belongs to another client. So statements are prepared only on direct connections, where
 * they save planning. statement_timeout is set on the connection if possible, otherwise in each transaction.
 */
export class ServicePool extends pg.Pool {
  #connections = 0
  /** Whether a pooler stands in front of the server; undefined until the first connection. */
  #isPooled: boolean | undefined

  constructor (connection: pg.ClientConfig, max: number) {
    super({
      ...connection,
      max,
      connectionTimeoutMillis: connectTimeoutMs,
      query_timeout: answerTimeoutMs,
      statement_timeout: statementTimeoutMs,
      keepAlive: true,
      onConnect: async client => await this.#findPooler(client)
    })
    // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
    this.on('error', () => {})
    const query = this.query.bind(this)
    this.query = ((text: string | pg.QueryConfig, values?: unknown[]) => {
      if (this.#isPooled === false) return query(text, values)
      return this.#isPooled ? this.transaction(async db => await db.query(text, values)) : query(typeof text === 'string' ? text : withoutName(text), values)
    }) as typeof this.query
    this.on('connect', client => {
      this.#connections += 1
      // pg first emits the error of a lost connection, then rejects its queries with the same error object.
      client.on('error', transient)
      client.once('end', () => { this.#connections -= 1 })
    })
  }

  override connect (): Promise<pg.PoolClient>
  override connect (callback: Connected): void
  override connect (callback?: Connected): Promise<pg.PoolClient> | void {
    if (callback !== undefined) return this.#connect(callback)
    return new Promise((resolve, reject) => this.#connect((error, client) => client ? resolve(client) : reject(error)))
  }

  /**
   * The caller waits for less time than a new connection may take. The attempt to connect continues after the caller has given
   * up: in a busy process each attempt would otherwise be aborted, and no connection would ever be made.
   */
  #connect (callback: Connected): void {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      const reason = `no connection to the database within ${waitForConnectionMs} ms`
      callback(transient(this.#connections > 0 ? new OverloadError(reason) : new Error(reason)), undefined, () => {})
    }, waitForConnectionMs)
    super.connect((error, client, release) => {
      clearTimeout(timer)
      if (!isLate && /unsupported startup parameter: statement_timeout/.test(error?.message ?? '')) {
        delete this.options.statement_timeout
        this.#isPooled = true
        return this.#connect(callback)
      }
      if (!isLate) callback(transient(error), client, release)
      else if (client) process.nextTick(release) // for the next waiting caller; deferred, because releasing here would recurse
    })
  }

  /** Detects a pooler that accepts the startup parameter statement_timeout but ignores it. */
  async #findPooler (client: pg.ClientBase): Promise<void> {
    if (this.#isPooled !== undefined) return
    const { rows: [row] } = await client.query<{ isSet: boolean }>('select current_setting(\'statement_timeout\')::interval = $1 * interval \'1 ms\' as "isSet"', [statementTimeoutMs])
    this.#isPooled ??= !row?.isSet
  }

  /**
   * Runs `task` in a transaction: commits when it resolves; rolls back when it rejects or one of its statements has failed.
   * The connection is released before this resolves or rejects.
   */
  async transaction<Result> (task: (db: Db) => Promise<Result>): Promise<Result> {
    const client = await this.connect()
    const db = new TransactionClient(client, { isPooled: this.#isPooled !== false })
    try {
      const result = await task(db)
      await db.commit()
      client.release()
      return result
    } catch (error) {
      client.release(await db.rollback())
      throw error
    }
  }
}
