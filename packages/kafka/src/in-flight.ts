import type { KafkaError } from './errors.js'
import type { Delivery, OutgoingMessage } from './types.js'

/** Nothing answered for this long, with something in flight: a broker that is connected and does not answer. */
const silentAfterMs = 5000

/** A message on its way, and whom to tell what became of it. */
export interface Pending {
  readonly message: OutgoingMessage
  readonly resolve: (deliveries: Delivery[]) => void
  readonly reject: (error: KafkaError) => void
}

/**
 * Messages handed to librdkafka and not acknowledged yet, by the ids that librdkafka names them by. An array and no Map,
 * whose tables, once they are old, keep every message that they ever held alive until the next full collection.
 */
export class InFlight {
  #all: Array<Pending | undefined> = []
  #freeIds: number[] = []
  /** Since when something has been in flight and nothing answered; brought up to date by `isUnanswered`. */
  #quietSince = 0
  #isAnswered = false

  get size (): number {
    return this.#all.length - this.#freeIds.length
  }

  /** Returns its id, which is in use until it is taken. */
  add (pending: Pending): number {
    if (this.size === 0) this.#quietSince = performance.now()
    const id = this.#freeIds.pop() ?? this.#all.length
    this.#all[id] = pending
    return id
  }

  /** Removes and returns the message of an id; undefined where none is in flight under it. */
  take (id: number): Pending | undefined {
    const pending = this.#all[id]
    if (pending === undefined) return undefined
    this.#all[id] = undefined
    this.#freeIds.push(id)
    return pending
  }

  /** To be told whenever the broker has acknowledged or refused one. */
  answered (): void {
    this.#isAnswered = true
  }

  /** Whether the broker has answered nothing for 5 s, although something was in flight. To be asked now and then. */
  isUnanswered (): boolean {
    const now = performance.now()
    if (this.#isAnswered) this.#quietSince = now
    this.#isAnswered = false
    return this.size > 0 && now - this.#quietSince > silentAfterMs
  }

  /** Empties it. */
  takeAll (): Pending[] {
    const all = this.#all.filter(pending => pending !== undefined)
    this.#all = []
    this.#freeIds = []
    return all
  }
}
