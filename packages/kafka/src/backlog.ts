import Denque from 'denque'
import { KafkaError } from './errors.js'
import type { Pending } from './in-flight.js'

/** Longest linger for a larger request, in ms; also the longest delay by a partition without a leader. */
const lingerMs = 10
/** Retry interval in ms while nothing is in flight: librdkafka frees queue space shortly after the last acknowledgement. */
const retryAfterMs = 5
/** Messages for one call of `take`. */
const perCall = 1000

interface Listener {
  /** Whether to linger for more messages. */
  isLingering: () => boolean
  /** Whether nothing is in flight, so that no acknowledgement will wake the backlog. */
  isIdle: () => boolean
  /** Hands messages over and returns how many the local queue took. */
  take: (pendings: Pending[]) => number
}

/** Messages not yet handed to librdkafka, in order. Those of one turn of the event loop are handed over together at its end. */
export class Backlog {
  readonly #limitMs: number
  readonly #on: Listener
  readonly #waiting = new Denque<{ pending: Pending, since: number }>()
  #turn: NodeJS.Immediate | undefined
  #linger: NodeJS.Timeout | undefined

  /** @param limitMs longest time that a message may wait here */
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

  /** To be called whenever the local queue may have capacity, or fewer messages are in flight. */
  wake (): void {
    if (this.#waiting.length === 0) return
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined
      if (this.#on.isLingering()) this.#linger ??= setTimeout(() => this.#handOver(), lingerMs)
      else this.#handOver()
    })
  }

  /** Rejects messages that have waited too long. */
  expire (): void {
    const dueAt = performance.now() - this.#limitMs
    for (let first = this.#waiting.peekFront(); first && first.since < dueAt; first = this.#waiting.peekFront()) {
      this.#waiting.shift()
      first.pending.reject(new KafkaError('ERR__MSG_TIMED_OUT', 'The local queue is full'))
    }
    this.wake() // the next message may be smaller
  }

  /** Removes and returns all messages. */
  take (): Pending[] {
    const all = this.#waiting.toArray().map(({ pending }) => pending)
    this.#waiting.clear()
    return all
  }

  #handOver (): void {
    clearTimeout(this.#linger)
    this.#linger = undefined
    while (this.#waiting.length > 0) {
      const next: Pending[] = []
      for (let index = 0; index < perCall; index++) {
        const waiting = this.#waiting.peekAt(index)
        if (waiting === undefined) break
        next.push(waiting.pending)
      }
      const taken = this.#on.take(next)
      for (let left = taken; left > 0; left--) this.#waiting.shift()
      if (taken > 0) continue
      if (this.#on.isIdle()) this.#linger = setTimeout(() => this.#handOver(), retryAfterMs)
      break
    }
  }
}
