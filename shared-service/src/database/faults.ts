/**
 * Whose fault a failure is, which decides what becomes of the work that failed.
 *
 * - `message`: what was asked for can never be stored; the same again fails again
 * - `dependency`: the database is away or busy; the same again will work later
 * - `unknown`: anything else; worth a few attempts
 */
export type Fault = 'message' | 'dependency' | 'unknown'

/** @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
const faultOfState: Record<string, Fault> = {
  22: 'message', // data exception
  23: 'message', // integrity constraint violation
  '08': 'dependency', // connection exception
  28: 'dependency', // invalid authorization: said while connecting, and mended by an operator
  '3D': 'dependency', // no such database: said while connecting
  25006: 'dependency', // read-only: a standby, in the middle of a failover
  40: 'dependency', // transaction rollback: serialization failure, deadlock
  53: 'dependency', // insufficient resources
  55: 'dependency', // object not in prerequisite state: lock not available
  57: 'dependency', // operator intervention: shutting down, statement timeout
  58: 'dependency' // system error
}

const connectionCodes = new Set([
  'ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'ETIMEDOUT', 'EPIPE', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN',
  'ENOTFOUND', 'EAI_AGAIN', 'EADDRNOTAVAIL', 'EMFILE', 'ENFILE'
])

/** What pg says without a code. */
const connectionTexts = /^(Connection terminated|timeout e(xpired|xceeded)|Query read timeout|Client has encountered a connection error|Client was closed|Cannot use a pool after)/

/** Looks through wrappers (`cause`), such as drizzle's. */
export function faultOf (error: unknown): Fault {
  if (!(error instanceof Error)) return 'unknown'
  const state = sqlState(error)
  if (state !== undefined) return faultOfState[state] ?? faultOfState[state.slice(0, 2)] ?? 'unknown'
  const { code } = error as { code?: unknown }
  if (typeof code === 'string' && connectionCodes.has(code)) return 'dependency'
  if (connectionTexts.test(error.message)) return 'dependency'
  return error.cause === undefined ? 'unknown' : faultOf(error.cause)
}

/** The SQLSTATE of an error that the database itself has sent. */
export function sqlState (error: unknown): string | undefined {
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return undefined
  return String(error.code)
}

/** The name of the unique constraint or index that a row has hit, if that is what the error says. */
export function violatedUnique (error: unknown): string | undefined {
  if (sqlState(error) !== '23505') return undefined
  return (error as { constraint?: string }).constraint
}
