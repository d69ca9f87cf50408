import { randomUUID } from 'node:crypto'
import { AskError } from './errors.js'

/** How many asks of one topic may wait for their replies at the same time. */
const limit = 10_000
/** The longest delay that a timer of Node keeps. */
const longestTimeoutMs = 2 ** 31 - 1

/** An ask that waits for its reply. */
export interface PendingReply<Reply> {
  readonly correlationId: string
  /** It always settles: with the reply, at its deadline, when its signal is aborted, or when the service ends. */
  readonly reply: Promise<Reply>
  readonly expires: Date
  readonly isSettled: boolean
  resolve (reply: Reply): void
  reject (error: unknown): void
}

/** The asks of one topic that wait for their replies. Each has a deadline, and none is left behind. */
export class PendingReplies<Reply> {
  readonly #topic: string
  /** Stands in each correlation id, so that a reply that nobody waits for any more is told from one of another instance. */
  readonly #instance = randomUUID()
  readonly #pending = new Map<string, PendingReply<Reply>>()
  #count = 0
  /** When the service ends, by `performance.now()`. */
  #closesAt = Infinity

  constructor (topic: string) {
    this.#topic = topic
  }

  get size (): number {
    return this.#pending.size
  }

  /** @throws AskError where there are too many, or the service has ended; RangeError for a timeout that is none; the reason of an aborted signal */
  open (timeoutMs: number, signal?: AbortSignal): PendingReply<Reply> {
    if (!(timeoutMs > 0 && timeoutMs <= longestTimeoutMs)) throw new RangeError(`timeoutMs must be a number of ms from 1 to ${longestTimeoutMs}`)
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

  /** Whether an ask of this instance has this correlation id, or had it. */
  isOurs (correlationId: string): boolean {
    return correlationId.startsWith(`${this.#instance}.`)
  }

  /** The service ends: those that wait have this long, and so have those that are still asked. */
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
    return new AskError('ERR_ASK_CLOSED', `the service ends, and waits for no reply to ${this.#topic} any more`)
  }
}

const form = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.\d+$/

/** Whether an instance of any service has made it: a key of another writer may be anything. */
export const isCorrelationId = (text: string) => form.test(text)
