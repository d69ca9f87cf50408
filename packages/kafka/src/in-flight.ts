import type { KafkaError } from './errors.js'
import type { Delivery, OutgoingMessage } from './types.js'

/** After this long without an answer to messages in flight, a connected broker counts as unresponsive, in ms. */
const unresponsiveAfterMs = 5000

/** A message that was sent and not acknowledged, with its promise's functions. */
export interface Pending {
  readonly message: OutgoingMessage
  readonly resolve: (deliveries: Delivery[]) => void
  readonly reject: (error: KafkaError) => void
}

/**
 * Messages handed to librdkafka and not acknowledged, by id. An array, because the tables of a Map in the old generation keep
 * removed messages alive until the next full collection.
 */
export class InFlight {
  #all: Array<Pending | undefined> = []
  #freeIds: number[] = []
  /** Start of the current time with messages in flight and no answer; updated by `isUnanswered`. */
  #quietSince = 0
  #isAnswered = false

  get size (): number {
    return this.#all.length - this.#freeIds.length
  }

  /** Adds a message. Returns its id, which is in use until the message is taken. */
  add (pending: Pending): number {
    if (this.size === 0) this.#quietSince = performance.now()
    const id = this.#freeIds.pop() ?? this.#all.length
    this.#all[id] = pending
    return id
  }

  /** Removes and returns the message of an id; undefined for an unknown id. */
  take (id: number): Pending | undefined {
    const pending = this.#all[id]
    if (pending === undefined) return undefined
    this.#all[id] = undefined
    this.#freeIds.push(id)
    return pending
  }

  /** To be called when the broker has acknowledged or refused a message. */
  answered (): void {
    this.#isAnswered = true
  }

  /** Whether the broker has answered nothing for 5 s with messages in flight. To be called regularly. */
  isUnanswered (): boolean {
    const now = performance.now()
    if (this.#isAnswered) this.#quietSince = now
    this.#isAnswered = false
    return this.size > 0 && now - this.#quietSince > unresponsiveAfterMs
  }

  /** Removes and returns all messages. */
  takeAll (): Pending[] {
    const all = this.#all.filter(pending => pending !== undefined)
    this.#all = []
    this.#freeIds = []
    return all
  }
}
