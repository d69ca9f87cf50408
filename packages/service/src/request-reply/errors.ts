import { transient } from '../database/faults.js'

/**
 * Why an ask has no reply. None of the codes means that the request is wrong. So they are transient: a handler that does not
 * catch them waits for the answerer as for any dependency, and a route answers with the given status.
 *
 * - `ERR_ASK_TIMEOUT`: no reply arrived in time; the request may or may not have been answered (504)
 * - `ERR_ASK_NOT_SENT`: the request did not reach the broker; see `cause` (503)
 * - `ERR_ASK_OVERLOAD`: too many asks are pending (503)
 * - `ERR_ASK_CLOSED`: the service is stopping (503)
 */
export type AskErrorCode = 'ERR_ASK_TIMEOUT' | 'ERR_ASK_NOT_SENT' | 'ERR_ASK_OVERLOAD' | 'ERR_ASK_CLOSED'

/** Error of an ask without a reply. Identify it by `code`, not by `instanceof`. */
export class AskError extends Error {
  override readonly name: string
  readonly code: AskErrorCode
  readonly statusCode: number

  constructor (code: AskErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = code === 'ERR_ASK_TIMEOUT' ? 'TimeoutError' : 'AskError'
    this.code = code
    this.statusCode = code === 'ERR_ASK_TIMEOUT' ? 504 : 503
    transient(this)
  }
}

/**
 * The answerer's refusal: thrown by an answer function, sent as the reply, and thrown by the ask. The service chooses its code,
 * which is part of the contract; its message must quote no value. Two codes are predefined:
 *
 * - `ERR_REFUSED`: the answer function failed with a permanent error
 * - `ERR_FAILED`: the answer function failed at each attempt with an unknown error
 */
export class ReplyError extends Error {
  override readonly name = 'ReplyError'
  readonly code: string
  readonly statusCode = 502

  constructor (code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** Checks the name instead of `instanceof`, because two copies of this package may be loaded. */
export function isReplyError (error: unknown): error is ReplyError {
  return error instanceof Error && error.name === 'ReplyError' && typeof (error as { code?: unknown }).code === 'string'
}
