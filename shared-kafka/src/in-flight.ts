import type { KafkaError } from './errors.js'
import type { Delivery, OutgoingMessage } from './types.js'

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

  get size (): number {
    return this.#all.length
  }

  add (pending: Pending): void {
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

  /** Empties it. */
  take (): Pending[] {
    return this.#all.splice(0)
  }
}
