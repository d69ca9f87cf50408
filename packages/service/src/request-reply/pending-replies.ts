import { randomUUID } from 'node:crypto'
import { AskError } from './errors.js'

/** Maximum number of pending asks of one topic. */
const limit = 10_000
/** The longest delay that setTimeout supports. */
const longestTimeoutMs = 2 ** 31 - 1

/** An ask that waits for its reply. */
export interface PendingReply<Reply> {
  readonly correlationId: string
  /** Always settles: with the reply, at its deadline, when its signal is aborted, or when the service stops. */
  readonly reply: Promise<Reply>
  readonly expires: Date
  readonly isSettled: boolean
  resolve (reply: Reply): void
  reject (error: unknown): void
}

/** The pending asks of one topic. Each has a deadline, so each is settled and removed. */
export class PendingReplies<Reply> {
  readonly #topic: string
  /** Prefix of each correlation id: distinguishes a late reply from a reply for another instance. */
  readonly #instance = randomUUID()
  readonly #pending = new Map<string, PendingReply<Reply>>()
  #count = 0
  /** When pending asks are rejected because the service stops, by `performance.now()`. */
  #closesAt = Infinity

  constructor (topic: string) {
    this.#topic = topic
  }

  get size (): number {
    return this.#pending.size
  }

  /** @throws AskError if too many asks are pending or the service is stopping; RangeError for an invalid timeout; the reason of an aborted signal */
  open (timeoutMs: number, signal?: AbortSignal): PendingReply<Reply> {
    if (!(timeoutMs > 0 && timeoutMs <= longestTimeoutMs)) throw new RangeError(`timeoutMs must be a number of milliseconds from 1 to ${longestTimeoutMs}`)
    signal?.throwIfAborted()
    const leftMs = this.#closesAt - performance.now()
    if (leftMs <= 0) throw this.#closed()
    if (this.#pending.size >= limit) throw new AskError('ERR_ASK_OVERLOAD', `${limit} asks wait for a reply to ${this.#topic}`)

    const correlationId = `${this.#instance}.${++this.#count}`
    const settle = { resolve (_reply: Reply) {}, reject (_error: unknown) {} }
    const reply = new Promise<Reply>((resolve, reject) => Object.assign(settle, { resolve, reject }))
    const onTimeout = () => pending.reject(leftMs < timeoutMs ? this.#closed() : new AskError('ERR_ASK_TIMEOUT', `no reply to ${this.#topic} within ${timeoutMs} ms`))
    const timer = setTimeout(onTimeout, Math.min(timeoutMs, leftMs))
    const onAbort = () => pending.reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    const pendingOf = this.#pending
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      return pendingOf.delete(correlationId)
    }
    const pending: PendingReply<Reply> = {
      correlationId,
      reply,
      expires: new Date(Date.now() + timeoutMs),
      get isSettled () { return !pendingOf.has(correlationId) },
      resolve: reply => { if (end()) settle.resolve(reply) },
      reject: error => { if (end()) settle.reject(error) }
    }
    this.#pending.set(correlationId, pending)
    return pending
  }

  find (correlationId: string): PendingReply<Reply> | undefined {
    return this.#pending.get(correlationId)
  }

  /** Whether this instance created the correlation id. */
  isOurs (correlationId: string): boolean {
    return correlationId.startsWith(`${this.#instance}.`)
  }

  /** Called when the service stops: rejects all asks, pending and new ones, that are not answered within `ms`. */
  closeWithin (ms: number): void {
    this.#closesAt = Math.min(this.#closesAt, performance.now() + ms)
    const rejectAll = () => {
      this.#closesAt = -Infinity // a timer may be a fraction of a ms early
      for (const { reject } of this.#pending.values()) reject(this.#closed())
    }
    if (ms <= 0) rejectAll()
    else setTimeout(rejectAll, ms).unref()
  }

  #closed (): AskError {
    return new AskError('ERR_ASK_CLOSED', `the service is stopping and no longer waits for a reply to ${this.#topic}`)
  }
}

const form = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.\d+$/

/** Whether a text has the format of our correlation ids; other writers may use any key. */
export const isCorrelationId = (text: string) => form.test(text)
