import type { PoolClient, QueryConfig, QueryResult, QueryResultRow } from 'pg'
import { isOfStatement, sqlState } from './faults.js'
import { statementTimeoutMs } from '../limits.js'
import { canBeJoined, queryJoined } from './statements.js'

/** A connection inside a transaction. What is written with it is stored with the transaction, or not at all. */
export interface Db {
  query<Row extends QueryResultRow = any> (statement: string | QueryConfig, values?: unknown[]): Promise<QueryResult<Row>>
}

/** A pool that runs transactions, such as `ServicePool`. */
export interface Transactions { transaction: <Result>(task: (db: Db) => Promise<Result>) => Promise<Result> }

/** SQLSTATE of each statement that follows a failed one. */
const abortedTransaction = '25P02'

interface Deferred { statement: QueryConfig, onResult?: ((result: QueryResult) => void) | undefined }

/**
 * The connection of one transaction, from its begin to its end, after which it takes no statement any more. The begin is sent
 * with the first statement, and what is deferred with the next one: on a busy process each answer waits for its turn.
 */
export class TransactionClient implements Db {
  readonly #client: PoolClient
  readonly #isPooled: boolean
  readonly #afterCommit: Array<() => void> = []
  readonly #deferred: Deferred[] = []
  /** The answer to the begin and what was sent with it. Without a begin the server would keep whatever came behind. */
  #begun: Promise<unknown> | undefined
  #failure: unknown
  #hasEnded = false

  /** @param isPooled a pooler may stand before the server: a prepared statement may be missing there, so that none has a name */
  constructor (client: PoolClient, { isPooled }: { isPooled: boolean }) {
    this.#client = client
    this.#isPooled = isPooled
  }

  async query<Row extends QueryResultRow> (statement: string | QueryConfig, values?: unknown[]): Promise<QueryResult<Row>> {
    this.#checkOpen()
    try {
      const result = await this.#send({ ...typeof statement === 'string' ? { text: statement } : statement, ...values && { values } })
      // To a savepoint: what was announced since then may be undone. What is left is found without being announced.
      if (result.command === 'ROLLBACK') this.#afterCommit.length = 0
      return result
    } catch (error) {
      if (sqlState(error) !== abortedTransaction) this.#failure = error
      throw error
    }
  }

  /** Sends a statement in front of the next one, or of the commit, which then throws its error. */
  defer (statement: QueryConfig, onResult?: (result: QueryResult) => void): void {
    this.#checkOpen()
    this.#deferred.push({ statement, onResult })
  }

  /** @throws the error of the statement that failed, where the caller went on without it: PostgreSQL then rolls back */
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

  /** The time limit of statements ends with the transaction, so that it is on no connection when a pooler gives it to another client. */
  #begin (): Deferred[] {
    const begin = { statement: { name: 'begin', text: 'begin' } }
    return this.#isPooled ? [begin, { statement: { text: `set local statement_timeout = ${statementTimeoutMs}` } }] : [begin]
  }

  #checkOpen (): void {
    if (this.#hasEnded) throw new Error('the transaction has ended: a statement was not awaited')
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
    if (this.#begun === undefined) return false
    return await this.#client.query('rollback').then(() => false, () => true)
  }
}

/** Sends a statement in front of the next one of `db` or of its commit, where that is a transaction of ours, else at once. */
export async function defer (db: Db, statement: QueryConfig, onResult?: (result: QueryResult) => void): Promise<void> {
  if (db instanceof TransactionClient) return db.defer(statement, onResult)
  const result = await db.query(statement)
  onResult?.(result)
}

/** Calls back after the commit of `db`, where that is a transaction of ours; the commit of another client is not seen. */
export function afterCommit (db: Db, callback: () => void): void {
  if (db instanceof TransactionClient) db.afterCommit(callback)
}

export function withoutName (statement: QueryConfig): QueryConfig {
  const { name, ...unnamed } = statement
  return unnamed
}
