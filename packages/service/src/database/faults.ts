/**
 * What a failure says about the work that failed.
 *
 * - `permanent`: what was asked for can never be stored; the same again fails again
 * - `transient`: the database is away, busy, or not as this version needs it; the same again will work later
 * - `unknown`: anything else; worth a few attempts
 */
export type Fault = 'permanent' | 'transient' | 'unknown'

/**
 * A failed statement, by the SQLSTATE that the database gives it. Schema and rights are an operator's to mend: they refuse
 * every message alike, so that giving up would move a whole topic to its dead letters.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const faultOfState: Record<string, Fault> = {
  22: 'permanent', // data exception
  23: 'permanent', // integrity constraint violation
  23502: 'transient', // not null: a column that this version does not write
  '08': 'transient', // connection exception
  '0A': 'transient', // feature not supported: a prepared statement whose result has changed, a server that is too old
  25: 'transient', // invalid transaction state: of this session, or a standby that only reads
  26: 'transient', // invalid statement name: of this session
  28: 'transient', // invalid authorization
  '3D': 'transient', // no such database
  '3F': 'transient', // no such schema
  40: 'transient', // transaction rollback: serialization failure, deadlock
  42: 'transient', // syntax error or access rule violation: a table, a column or a right that is missing
  53: 'transient', // insufficient resources
  55: 'transient', // object not in prerequisite state: lock not available
  57: 'transient', // operator intervention: shutting down, statement timeout
  58: 'transient', // system error
  XX: 'transient' // internal error: a broken index or block
}

const connectionCodes = new Set([
  'ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'ETIMEDOUT', 'EPIPE', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN',
  'ENOTFOUND', 'EAI_AGAIN', 'EADDRNOTAVAIL', 'EMFILE', 'ENFILE'
])

/** What pg says without a code. */
const connectionTexts = /^(Connection terminated|timeout e(xpired|xceeded)|Query read timeout|Client has encountered a connection error|Client was closed|Cannot use a pool after)/

const declared = new WeakMap<object, Fault>()

/**
 * Says that the failure is a dependency's, whatever its code and text, and returns the error to be thrown. A message that
 * fails with it waits as long as it takes and is never dead-lettered.
 */
export function transient<E> (error: E): E {
  return declare(error, 'transient')
}

/** Says that the same again will always fail, and returns the error to be thrown. A message that fails with it is dead-lettered at once. */
export function permanent<E> (error: E): E {
  return declare(error, 'permanent')
}

function declare<E> (error: E, fault: Fault): E {
  if (typeof error !== 'object' || error === null) return error
  declared.set(error, fault)
  return error
}

/** Looks through wrappers (`cause`); some errors are their own cause. */
export function faultOf (error: unknown, wrappers = 5): Fault {
  const said = typeof error === 'object' && error !== null ? declared.get(error) : undefined
  if (said !== undefined) return said
  if (!(error instanceof Error)) return 'unknown'
  const state = sqlState(error)
  if (state !== undefined) return isFatal(error) ? 'transient' : faultOfState[state] ?? faultOfState[state.slice(0, 2)] ?? 'unknown'
  const { code } = error as { code?: unknown }
  if (typeof code === 'string' && connectionCodes.has(code)) return 'transient'
  if (connectionTexts.test(error.message)) return 'transient'
  return error.cause === undefined || wrappers === 0 ? 'unknown' : faultOf(error.cause, wrappers - 1)
}

/** The database refuses the statement, for whatever message: its schema or its rights are not what this version needs. */
export function isSchemaFault (error: unknown): boolean {
  return causesOf(error).some(cause => isOfStatement(cause) && /^(0A|23502|3F|42)/.test(sqlState(cause) ?? ''))
}

/** An error and what it wraps; some errors are their own cause. */
export function causesOf (error: unknown, wrappers = 5): unknown[] {
  return error instanceof Error && error.cause !== undefined && wrappers > 0 ? [error, ...causesOf(error.cause, wrappers - 1)] : [error]
}

/** The database refuses this statement, and the session goes on: the same statement may do for other rows. */
export function isOfStatement (error: unknown): boolean {
  return error instanceof Error && declared.get(error) !== 'transient' && sqlState(error) !== undefined && !isFatal(error)
}

/** The session has ended with it, so it is not about the statement. */
function isFatal (error: Error): boolean {
  return /^(FATAL|PANIC)$/.test((error as { severity?: string }).severity ?? '')
}

/** The SQLSTATE of an error that the database itself has sent. */
export function sqlState (error: unknown): string | undefined {
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return undefined
  return String(error.code)
}
