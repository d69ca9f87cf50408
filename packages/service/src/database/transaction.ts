import type { PoolClient, QueryConfig, QueryResult, QueryResultRow } from 'pg'
import { isOfStatement, sqlState } from './faults.js'
import { statementTimeoutMs } from '../limits.js'
import { canBeJoined, queryJoined } from './statements.js'

/** A connection inside a transaction: its writes are stored when the transaction commits, or not at all. */
export interface Db {
  query<Row extends QueryResultRow = any> (statement: string | QueryConfig, values?: unknown[]): Promise<QueryResult<Row>>
}

/** A pool that runs transactions, such as `ServicePool`. */
export interface Transactions { transaction: <Result>(task: (db: Db) => Promise<Result>) => Promise<Result> }

/** SQLSTATE of every statement after a failed one. */
const abortedTransaction = '25P02'

interface Deferred { statement: QueryConfig, onResult?: ((result: QueryResult) => void) | undefined }

/**
 * The connection of one transaction, which accepts no statement after the end of the transaction. BEGIN is sent together with
 * the first statement, and deferred statements with the next one: this saves round trips, which are slow in a busy process.
 */
export class TransactionClient implements Db {
  readonly #client: PoolClient
  readonly #isPooled: boolean
  readonly #afterCommit: Array<() => void> = []
  readonly #deferred: Deferred[] = []
  /** Settles with the answer to BEGIN. Later statements wait for it: if BEGIN failed, the server would commit each of them separately. */
  #begun: Promise<unknown> | undefined
  #failure: unknown
  #hasEnded = false

  /** @param isPooled whether a pooler may stand in front of the server; statements are then sent without a name, so not prepared */
  constructor (client: PoolClient, { isPooled }: { isPooled: boolean }) {
    this.#client = client
    this.#isPooled = isPooled
  }

  async query<Row extends QueryResultRow> (statement: string | QueryConfig, values?: unknown[]): Promise<QueryResult<Row>> {
    this.#checkOpen()
    try {
      const result = await this.#send({ ...typeof statement === 'string' ? { text: statement } : statement, ...values && { values } })
      // A rollback to a savepoint may have undone rows announced by afterCommit. The outbox scan finds those that remain.
      if (result.command === 'ROLLBACK') this.#afterCommit.length = 0
      return result
    } catch (error) {
      if (sqlState(error) !== abortedTransaction) this.#failure = error
      throw error
    }
  }

  /** Sends a statement together with the next one or the commit, which then throws its error. */
  defer (statement: QueryConfig, onResult?: (result: QueryResult) => void): void {
    this.#checkOpen()
    this.#deferred.push({ statement, onResult })
  }

  /** @throws the error of an earlier statement that the caller caught: PostgreSQL then rolls back instead of committing */
  async commit (): Promise<void> {
    const isEmpty = this.#begun === undefined && this.#deferred.length === 0
    const { command } = isEmpty ? { command: 'COMMIT' } : await this.query({ name: 'commit', text: 'commit' })
    this.#hasEnded = true
    if (command === 'ROLLBACK') throw this.#failure ?? new Error('the transaction was rolled back')
    for (const callback of this.#afterCommit) callback()
  }

  async #send (statement: QueryConfig): Promise<QueryResult> {
    const isFirst = this.#begun === undefined
    const before: Deferred[] = [...isFirst ? this.#begin() : [], ...this.#deferred.splice(0)]
    if (!isFirst) await this.#begun
    const isJoined = before.length > 0 && canBeJoined(statement)
    if (before.length > 0) {
      const statements = [...before.map(({ statement }) => statement), ...isJoined ? [statement] : []]
      const answered = queryJoined(this.#client, this.#isPooled ? statements.map(withoutName) : statements)
      this.#begun ??= answered
      const results = await answered
      before.forEach(({ onResult }, index) => onResult?.(results[index] as QueryResult))
      if (isJoined) return results.at(-1) as QueryResult
    }
    return await this.#client.query(this.#isPooled ? withoutName(statement) : statement)
  }

  /** With a pooler, statement_timeout is set for the transaction only, so that it does not affect the pooler's other clients. */
  #begin (): Deferred[] {
    const begin = { statement: { name: 'begin', text: 'begin' } }
    return this.#isPooled ? [begin, { statement: { text: `set local statement_timeout = ${statementTimeoutMs}` } }] : [begin]
  }

  #checkOpen (): void {
    if (this.#hasEnded) throw new Error('the transaction has ended: a statement was not awaited')
  }

  /** Calls back once the commit is acknowledged; never after a rollback. */
  afterCommit (callback: () => void): void {
    this.#afterCommit.push(callback)
  }

  /** @returns true if the connection is unusable and must be closed */
  async rollback (): Promise<boolean> {
    if (this.#hasEnded) return false
    this.#hasEnded = true
    if (this.#failure !== undefined && !isOfStatement(this.#failure)) return true
    if (this.#begun === undefined) return false
    return await this.#client.query('rollback').then(() => false, () => true)
  }
}

/** Sends a statement together with the next one of `db` or its commit. If `db` is not a TransactionClient, sends it immediately. */
export async function defer (db: Db, statement: QueryConfig, onResult?: (result: QueryResult) => void): Promise<void> {
  if (db instanceof TransactionClient) return db.defer(statement, onResult)
  const result = await db.query(statement)
  onResult?.(result)
}

/** Calls back after the commit of `db` if it is a TransactionClient; the commit of another client cannot be observed. */
export function afterCommit (db: Db, callback: () => void): void {
  if (db instanceof TransactionClient) db.afterCommit(callback)
}

export function withoutName (statement: QueryConfig): QueryConfig {
  const { name, ...unnamed } = statement
  return unnamed
}
