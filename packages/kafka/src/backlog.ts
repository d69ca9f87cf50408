import Denque from 'denque'
import { KafkaError } from './errors.js'
import type { Pending } from './in-flight.js'

/** What is held back for a larger request goes after this long at the latest: a partition without a leader delays others by no more. */
const heldForMs = 10
/** librdkafka makes room a little after it has told what became of the last message. */
const retryAfterMs = 5
/** Offered to `take` at a time. */
const perCall = 1000

interface Listener {
  /** Whether to wait for more. */
  isHeld: () => boolean
  /** Whether nothing is in flight, whose end would wake the backlog. */
  isIdle: () => boolean
  /** Hands messages over, and returns how many found room. */
  take: (pendings: Pending[]) => number
}

/** Messages not handed to librdkafka yet, in the order they came. What comes in one turn of the event loop goes at its end. */
export class Backlog {
  readonly #limitMs: number
  readonly #on: Listener
  readonly #waiting = new Denque<{ pending: Pending, since: number }>()
  #turn: NodeJS.Immediate | undefined
  #held: NodeJS.Timeout | undefined

  /**
   * @param limitMs how long a message may wait here
   */
  constructor (limitMs: number, on: Listener) {
    this.#limitMs = limitMs
    this.#on = on
  }

  get length (): number {
    return this.#waiting.length
  }

  push (pending: Pending): void {
    this.#waiting.push({ pending, since: performance.now() })
    this.wake()
  }

  /** To be called whenever there may be room, or when less is in flight. */
  wake (): void {
    if (this.#waiting.length === 0) return
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined
      if (this.#on.isHeld()) this.#held ??= setTimeout(() => this.#handOver(), heldForMs)
      else this.#handOver()
    })
  }

  /** Ends what has waited for too long. */
  expire (): void {
    const dueAt = performance.now() - this.#limitMs
    for (let first = this.#waiting.peekFront(); first && first.since < dueAt; first = this.#waiting.peekFront()) {
      this.#waiting.shift()
      first.pending.reject(new KafkaError('ERR__MSG_TIMED_OUT', 'No room in the local queue'))
    }
    this.wake() // what comes next may be smaller
  }

  /** Empties it. */
  take (): Pending[] {
    const all = this.#waiting.toArray().map(({ pending }) => pending)
    this.#waiting.clear()
    return all
  }

  #handOver (): void {
    clearTimeout(this.#held)
    this.#held = undefined
    while (this.#waiting.length > 0) {
      const next: Pending[] = []
      for (let place = 0; place < perCall; place++) {
        const waiting = this.#waiting.peekAt(place)
        if (waiting === undefined) break
        next.push(waiting.pending)
      }
      const taken = this.#on.take(next)
      for (let left = taken; left > 0; left--) this.#waiting.shift()
      if (taken > 0) continue
      if (this.#on.isIdle()) this.#held = setTimeout(() => this.#handOver(), retryAfterMs)
      break
    }
  }
}
