import { loggerOf } from './logger.js'
import type { ClientOptions } from './client-options.js'

/** Messages in flight, how often their number has changed so far, and whether fetched messages wait for them. */
export interface Flow { inFlight: number, moves: number, isHeldUp: boolean }

/** In statistics events, one a second. */
const stalledAfter = 10

/** Reports that no messages are handed out because none are committed. */
export class Stall {
  readonly #options: ClientOptions
  #moves = 0
  #standingFor = 0

  constructor (options: ClientOptions) {
    this.#options = options
  }

  /** To be called every second. */
  check ({ inFlight, moves, isHeldUp }: Flow): void {
    const isStanding = isHeldUp && inFlight > 0 && moves === this.#moves
    if (!isStanding && this.#standingFor >= stalledAfter) this.#options.onState?.({ type: 'moving' })
    this.#standingFor = isStanding ? this.#standingFor + 1 : 0
    this.#moves = moves
    if (this.#standingFor !== stalledAfter) return
    loggerOf(this.#options).warn({ inFlight }, 'kafka: no more messages are handed out: those that are out have not been committed for 10 s, each of them has to be')
    this.#options.onState?.({ type: 'stalled', inFlight })
  }
}
