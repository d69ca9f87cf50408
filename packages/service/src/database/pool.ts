import pg from 'pg'
import { causesOf, transient } from './faults.js'
import { answerTimeoutMs, connectTimeoutMs, statementTimeoutMs, waitForConnectionMs } from '../limits.js'
import { TransactionClient, withoutName, type Db } from './transaction.js'

type Connected = Parameters<pg.Pool['connect']>[0]

/** All connections were in use for too long: there is more to do than can be done. */
export class OverloadError extends Error {
  override readonly name = 'OverloadError'
}

/** Looks through wrappers. */
export function isOverload (error: unknown): boolean {
  return causesOf(error).some(cause => cause instanceof OverloadError)
}

/**
 * A pool that knows when an error is the connection's: whatever goes wrong before a client is handed out (TLS, logging in,
 * a pooler in between), and what ends a connection later. No such error can be a message's fault, and no list of codes and
 * texts would be complete.
 *
 * A pooler gives each transaction to another server connection, where a prepared statement is missing or another client's: so
 * a statement has its name only on a connection that is known to be the server's own, where the hot ones then need no new plan
 * each time. The time limit of statements is the connection's own where it has one, else each transaction's.
 */
export class ServicePool extends pg.Pool {
  #connections = 0
  /** Undefined until the first connection has shown it. */
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
      // pg fails the queries of a connection that is lost with the very error that it emits before.
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
   * The caller waits for a shorter time than a new connection may take: on a busy process it would never be made, and each
   * attempt would begin with nothing.
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
      else if (client) process.nextTick(release) // the next one takes it; not here, each would be a level deeper
    })
  }

  /** A pooler may take the parameter and leave it out. */
  async #findPooler (client: pg.ClientBase): Promise<void> {
    if (this.#isPooled !== undefined) return
    const { rows: [row] } = await client.query<{ isSet: boolean }>('select current_setting(\'statement_timeout\')::interval = $1 * interval \'1 ms\' as "isSet"', [statementTimeoutMs])
    this.#isPooled ??= !row?.isSet
  }

  /**
   * Runs `task` in a transaction, which is committed when it resolves and rolled back when it rejects, or when one of its
   * statements has failed. The connection is given back before this resolves or rejects.
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
