import type { KafkaError } from './errors.js'
import type { Delivery, OutgoingMessage } from './types.js'

/** Nothing answered for this long, with something in flight: a broker that is connected and does not answer. */
const silentAfterMs = 5000

/** A message on its way, and whom to tell what became of it. */
export interface Pending {
  readonly message: OutgoingMessage
  readonly resolve: (deliveries: Delivery[]) => void
  readonly reject: (error: KafkaError) => void
  /** Where it stands in `InFlight`. */
  place: number
}

/**
 * Messages handed to librdkafka and not acknowledged yet, in no order. An array and no Set, whose tables, once they are
 * old, keep every message that they ever held alive until the next full collection.
 */
export class InFlight {
  #all: Pending[] = []
  /** Since when something has been in flight and nothing answered; brought up to date by `isUnanswered`. */
  #quietSince = 0
  #isAnswered = false

  get size (): number {
    return this.#all.length
  }

  add (pending: Pending): void {
    if (this.#all.length === 0) this.#quietSince = performance.now()
    pending.place = this.#all.push(pending) - 1
  }

  /** False where it is not in flight, or not any more. */
  delete (pending: Pending): boolean {
    const last = this.#all.at(-1)
    if (last === undefined || this.#all[pending.place] !== pending) return false
    this.#all[pending.place] = last
    last.place = pending.place
    this.#all.pop()
    return true
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
  take (): Pending[] {
    return this.#all.splice(0)
  }
}
