/**
 * Describes an error for logs and headers: its kind, code and place, without values that a client sent.
 *
 * PostgreSQL quotes values in `detail`, `where` and, for invalid values (SQLSTATE class 22), in the message itself; drizzle
 * adds the query's parameters to its message; V8's SyntaxError quotes the invalid JSON.
 */
export function describeError (error: unknown): string {
  if (!(error instanceof Error)) return 'a value that is not an Error was thrown'
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

/** Maximum depth of nested causes: some errors are their own cause. */
const deepestCause = 5

/** pino's serializer for `err`. The stack keeps only its frames, because its first lines repeat the unredacted message. */
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
