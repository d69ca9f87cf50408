import type { PoolClient, QueryConfig, QueryResult, QueryResultRow } from 'pg'
import { isOfStatement, sqlState } from './faults.js'

/** A connection inside a transaction. What is written with it is stored with the transaction, or not at all. */
export interface Db {
  query<Row extends QueryResultRow = any> (statement: string | QueryConfig, values?: unknown[]): Promise<QueryResult<Row>>
}

/** SQLSTATE of each statement that follows a failed one. */
const abortedTransaction = '25P02'

/** The connection of one transaction, from its begin to its end, after which it takes no statement any more. */
export class TransactionClient implements Db {
  readonly #client: PoolClient
  readonly #isPooled: boolean
  readonly #afterCommit: Array<() => void> = []
  #failure: unknown
  #hasEnded = false

  /** @param isPooled a pooler may stand before the server: a prepared statement may be missing there, so that none has a name */
  constructor (client: PoolClient, { isPooled }: { isPooled: boolean }) {
    this.#client = client
    this.#isPooled = isPooled
  }

  async query<Row extends QueryResultRow> (statement: string | QueryConfig, values?: unknown[]): Promise<QueryResult<Row>> {
    if (this.#hasEnded) throw new Error('the transaction has ended: a statement was not awaited')
    try {
      const result = await this.#client.query<Row>(this.#isPooled ? withoutName(statement) : statement, values)
      // To a savepoint: what was announced since then may be undone. What is left is found without being announced.
      if (result.command === 'ROLLBACK') this.#afterCommit.length = 0
      return result
    } catch (error) {
      if (sqlState(error) !== abortedTransaction) this.#failure = error
      throw error
    }
  }

  /** @throws the error of the statement that failed, where the caller went on without it: PostgreSQL then rolls back */
  async commit (): Promise<void> {
    const { command } = await this.query('commit')
    this.#hasEnded = true
    if (command === 'ROLLBACK') throw this.#failure ?? new Error('the transaction was rolled back')
    for (const callback of this.#afterCommit) callback()
  }

  /** For what may happen once the commit is acknowledged, and never after a rollback. */
  afterCommit (callback: () => void): void {
    this.#afterCommit.push(callback)
  }

  /** @returns whether the connection is of no use any more */
  async rollback (): Promise<boolean> {
    if (this.#hasEnded) return false
    this.#hasEnded = true
    if (this.#failure !== undefined && !isOfStatement(this.#failure)) return true
    return await this.#client.query('rollback').then(() => false, () => true)
  }
}

/** Calls back after the commit of `db`, where that is a transaction of ours; the commit of another client is not seen. */
export function afterCommit (db: Db, callback: () => void): void {
  if (db instanceof TransactionClient) db.afterCommit(callback)
}

export function withoutName (statement: string | QueryConfig): string | QueryConfig {
  if (typeof statement === 'string') return statement
  const { name, ...unnamed } = statement
  return unnamed
}
