/**
 * Classification of a failure.
 *
 * - `permanent`: the data can never be stored; a retry fails again
 * - `transient`: the database is unreachable, busy, or lacks what this version needs; a later retry succeeds
 * - `unknown`: anything else; retried a few times
 */
export type Fault = 'permanent' | 'transient' | 'unknown'

/**
 * Classification of a failed statement by SQLSTATE. A wrong schema or missing permission is transient: it fails every message
 * until an operator fixes it, so dead-lettering would move the whole topic to the dead letters.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const faultOfState: Record<string, Fault> = {
  22: 'permanent', // data exception
  23: 'permanent', // integrity constraint violation
  23502: 'transient', // not null: a column that this version does not write
  '08': 'transient', // connection exception
  '0A': 'transient', // feature not supported: a prepared statement whose result has changed, a server that is too old
  25: 'transient', // invalid transaction state: of this session, or a read-only standby
  26: 'transient', // invalid statement name: a prepared statement missing in this session
  28: 'transient', // invalid authorization
  '3D': 'transient', // no such database
  '3F': 'transient', // no such schema
  40: 'transient', // transaction rollback: serialization failure, deadlock
  42: 'transient', // syntax error or access rule violation: a missing table, column or permission
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

/** Messages of pg's errors that have no code. */
const connectionTexts = /^(Connection terminated|timeout e(xpired|xceeded)|Query read timeout|Client has encountered a connection error|Client was closed|Cannot use a pool after)/

const declared = new WeakMap<object, Fault>()

/**
 * Marks an error as transient, regardless of its code and text, and returns it to be thrown. A message that fails with it is
 * retried without limit and never dead-lettered.
 */
export function transient<E> (error: E): E {
  return declare(error, 'transient')
}

/** Marks an error as permanent and returns it to be thrown. A message that fails with it is dead-lettered without a retry. */
export function permanent<E> (error: E): E {
  return declare(error, 'permanent')
}

function declare<E> (error: E, fault: Fault): E {
  if (typeof error !== 'object' || error === null) return error
  declared.set(error, fault)
  return error
}

/** Classifies an error or, if it is unknown, its `cause`, up to 5 levels deep: some errors are their own cause. */
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

/** Whether the database refuses the statement for every message: its schema or permissions are not what this version needs. */
export function isSchemaFault (error: unknown): boolean {
  return causesOf(error).some(cause => isOfStatement(cause) && /^(0A|23502|3F|42)/.test(sqlState(cause) ?? ''))
}

/** An error and its chain of causes, up to 5 levels deep: some errors are their own cause. */
export function causesOf (error: unknown, wrappers = 5): unknown[] {
  return error instanceof Error && error.cause !== undefined && wrappers > 0 ? [error, ...causesOf(error.cause, wrappers - 1)] : [error]
}

/** Whether the database refused this statement and kept the session: the same statement may succeed for other rows. */
export function isOfStatement (error: unknown): boolean {
  return error instanceof Error && declared.get(error) !== 'transient' && sqlState(error) !== undefined && !isFatal(error)
}

/** Whether the error ended the session, so that it does not concern the statement. */
function isFatal (error: Error): boolean {
  return /^(FATAL|PANIC)$/.test((error as { severity?: string }).severity ?? '')
}

/** The SQLSTATE of an error that the database server sent. */
export function sqlState (error: unknown): string | undefined {
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return undefined
  return String(error.code)
}
