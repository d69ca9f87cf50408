import pg, { type PoolClient, type QueryConfig, type QueryResult, type ResultBuilder } from 'pg'

// Parts of pg that its types leave out.
const { Result } = pg as unknown as { Result: new (rowMode: undefined, types: object) => ResultBuilder & Parts }
interface Parts { parseRow: (fields: unknown[]) => unknown, addRow: (row: unknown) => void, addFields: (fields: unknown[]) => void, addCommandComplete: (message: object) => void }
interface Wire extends Record<'parse' | 'bind' | 'describe' | 'execute' | 'close', (message: object) => void> {
  stream: { cork: () => void, uncork: () => void }
  sync: () => void
  /** The texts of the connection's prepared statements by name; `client.query` uses them too. */
  parsedStatements: Record<string, string>
}

/** Whether a statement can be pipelined: a single command (it has a name or values), no pg options, only values with an unambiguous text form. */
export function canBeJoined ({ name, text, values = [], ...options }: QueryConfig): boolean {
  return (name !== undefined || values.length > 0) && Object.keys(options).length === 0 &&
    values.every(value => value === null || Buffer.isBuffer(value) || ['string', 'number', 'boolean'].includes(typeof value))
}

/**
 * Runs several statements in one round trip (pipelining). The server runs them in order, and none after a failed one.
 *
 * @returns the result of each statement
 * @throws the error of the failed statement
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
 */
export async function queryJoined (client: PoolClient, statements: QueryConfig[]): Promise<QueryResult[]> {
  return await new Promise<QueryResult[]>((resolve, reject) => {
    const joined = new JoinedStatements(statements, client)
    joined.callback = (error, results) => error ? reject(error) : resolve(results as QueryResult[])
    client.query(joined)
  })
}

/** A query object for `client.query`: pg calls `submit`, then the handlers with the server's messages until ReadyForQuery. */
class JoinedStatements {
  callback: (error: unknown, results?: QueryResult[]) => void = () => {}
  /** Read by OpenTelemetry's instrumentation of pg, which creates a span for a query with text and callback. */
  readonly text: string
  readonly #statements: QueryConfig[]
  readonly #results: Array<ResultBuilder & Parts>
  #done = 0
  #error: unknown

  constructor (statements: QueryConfig[], types: object) {
    this.#statements = statements
    this.text = statements.map(({ text }) => text.trim()).join('; ')
    this.#results = statements.map(() => new Result(undefined, types))
  }

  submit (wire: object): void {
    const connection = wire as Wire
    connection.stream.cork()
    for (const { name, text, values = [] } of this.#statements) {
      if (name === undefined || connection.parsedStatements[name] !== text) {
        // The name may exist already, if the statement failed after it was parsed. Closing an unknown name is no error.
        if (name !== undefined) connection.close({ type: 'S', name })
        connection.parse({ name, text })
      }
      connection.bind({ statement: name, values, valueMapper: (value: unknown) => Buffer.isBuffer(value) || value === null ? value : String(value) })
      connection.describe({ type: 'P', name: '' })
      connection.execute({ portal: '' })
    }
    connection.sync()
    connection.stream.uncork()
  }

  handleRowDescription ({ fields }: { fields: unknown[] }): void {
    this.#result?.addFields(fields)
  }

  handleDataRow ({ fields }: { fields: unknown[] }): void {
    if (this.#error !== undefined) return
    try {
      this.#result?.addRow(this.#result.parseRow(fields))
    } catch (error) {
      this.#error = error
    }
  }

  handleCommandComplete (message: object, { parsedStatements }: Wire): void {
    this.#result?.addCommandComplete(message)
    const { name, text } = this.#statements[this.#done++] ?? {}
    if (name !== undefined && text !== undefined) parsedStatements[name] = text
  }

  handleEmptyQuery (): void {
    this.#done += 1
  }

  handleError (error: unknown): void {
    this.callback(error)
  }

  handleReadyForQuery (): void {
    this.callback(this.#error, this.#results)
  }

  get #result () {
    return this.#results[this.#done]
  }
}
