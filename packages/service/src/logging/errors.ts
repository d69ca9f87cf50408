/**
 * What of an error may be logged or put into a header: its kind, code and place, never a value that somebody sent.
 *
 * PostgreSQL quotes values in `detail`, `where` and, for bad values (SQLSTATE class 22), in the message itself; drizzle
 * puts the parameters of the query into its message; V8 quotes the text that is not JSON.
 */
export function describeError (error: unknown): string {
  if (!(error instanceof Error)) return 'something that is no error was thrown'
  const { code, constraint, column } = error as Details
  const message = typeof error.message === 'string' ? error.message : ''
  if (isPostgres(error)) {
    const place = constraint ?? column
    const said = /^2[23]/.test(String(code)) ? 'the value was refused' : message
    return `PostgreSQL ${code}: ${said}${place === undefined ? '' : ` (${place})`}`
  }
  if (error.name === 'SyntaxError') return 'SyntaxError'
  if (message.startsWith('Failed query')) return error.cause === undefined ? 'the query failed' : describeError(error.cause)
  return message || String(code ?? error.name)
}

/** A cause of a cause …: some errors are their own cause. */
const deepestCause = 5

/** pino's serializer for `err`. The stack keeps its frames and loses its first lines, which repeat the message. */
export function serializeError (error: unknown): Serialized {
  return serialize(error, deepestCause)
}

interface Serialized { type: string, message: string, stack: string, [detail: string]: unknown }

function serialize (error: unknown, causes: number): Serialized {
  if (!(error instanceof Error)) return { type: typeof error, message: describeError(error), stack: '' }
  const { code, codeName, constraint, table } = error as Details
  return {
    type: error.name,
    message: describeError(error),
    code,
    codeName,
    constraint,
    table,
    stack: String(error.stack ?? '').split('\n').filter(line => line.startsWith('    at ')).join('\n'),
    ...(error.cause === undefined || causes === 0 ? {} : { cause: serialize(error.cause, causes - 1) })
  }
}

interface Details {
  code?: unknown
  codeName?: unknown
  constraint?: string
  column?: string
  table?: string
}

function isPostgres (error: Error): boolean {
  return 'severity' in error && 'code' in error
}
