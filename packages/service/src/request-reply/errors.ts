import { transient } from '../database/faults.js'

/**
 * Why an ask has no reply. None of them says anything of the request, so a handler that does not catch them waits for the
 * answerer as for any dependency (`transient`), and a route answers with the status.
 *
 * - `ERR_ASK_TIMEOUT`: there was no reply in time; whether the request was answered nobody knows (504)
 * - `ERR_ASK_NOT_SENT`: the request did not reach the broker; `cause` says why (503)
 * - `ERR_ASK_OVERLOAD`: too many asks wait for their replies (503)
 * - `ERR_ASK_CLOSED`: the service ends (503)
 */
export type AskErrorCode = 'ERR_ASK_TIMEOUT' | 'ERR_ASK_NOT_SENT' | 'ERR_ASK_OVERLOAD' | 'ERR_ASK_CLOSED'

/** Recognise it by `code`. */
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
 * The answerer's refusal: thrown by an answer, and in the end by the ask. Its code is the answerer's to choose, and part of
 * the contract; its message quotes no value. The answerer itself uses two:
 *
 * - `ERR_REFUSED`: the answer has failed with a permanent error, and would again
 * - `ERR_FAILED`: the answer has failed at each of its attempts, for a reason that is the answerer's
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

/** By its name: there may be two copies of this package. */
export function isReplyError (error: unknown): error is ReplyError {
  return error instanceof Error && error.name === 'ReplyError' && typeof (error as { code?: unknown }).code === 'string'
}
