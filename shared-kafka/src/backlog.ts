import { KafkaError } from './errors.js'
import type { Pending } from './in-flight.js'

/** Messages that librdkafka has no room for yet, in the order they came. */
export class Backlog {
  readonly #limitMs: number
  #waiting: Array<{ pending: Pending, since: number }> = []

  /** @param limitMs how long a message may wait here */
  constructor (limitMs: number) {
    this.#limitMs = limitMs
  }

  get length (): number {
    return this.#waiting.length
  }

  push (pending: Pending): void {
    this.#waiting.push({ pending, since: performance.now() })
  }

  /** Hands messages over, oldest first, until one is not taken. */
  drain (take: (pending: Pending) => boolean): void {
    while (this.#waiting[0] && take(this.#waiting[0].pending)) this.#waiting.shift()
  }

  /** Ends what has waited for too long. */
  expire (): void {
    const dueAt = performance.now() - this.#limitMs
    while (this.#waiting[0] && this.#waiting[0].since < dueAt) {
      this.#waiting.shift()?.pending.reject(new KafkaError('ERR__MSG_TIMED_OUT', 'No room in the local queue'))
    }
  }

  /** Empties it. */
  take (): Pending[] {
    return this.#waiting.splice(0).map(({ pending }) => pending)
  }
}
