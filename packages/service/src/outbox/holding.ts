import { relay } from '../limits.js'
import type { Leases } from './leases.js'
import { noRelay } from './table.js'

/**
 * The relay ids that this relay holds: they say whose rows it may send. It knows by a clock of its own when its lease is over.
 * From then on another relay may send the same rows, and what was read before must not be pushed any more.
 */
export class Holding {
  readonly #leases: Leases
  #own: number | undefined
  #ids: number[] = []
  #validUntil = -Infinity
  /** Counts how often anything was lost. */
  #epoch = 0

  constructor (leases: Leases) {
    this.#leases = leases
  }

  /** The id for new rows: the relay's own, or before it has one, that of rows without a relay. */
  get own (): number {
    return this.#own ?? noRelay
  }

  get ids (): number[] {
    return this.#ids
  }

  get epoch (): number {
    return this.#epoch
  }

  get isValid (): boolean {
    return this.#own !== undefined && performance.now() < this.#validUntil
  }

  /** Whether rows that were read at this epoch are still this relay's. */
  isCurrent (epoch: number): boolean {
    return this.isValid && epoch === this.#epoch
  }

  /** To be called more often than the lease lasts. Rejects where the database is away. */
  async renew (): Promise<void> {
    this.#own ??= await this.#leases.acquire()
    if (this.#own === undefined) return
    const since = performance.now()
    // A relay that was cut off from the database takes no ids of others at first: they may have been cut off, too.
    const ids = await this.#leases.renew(this.isValid || this.#epoch === 0)
    if (!this.isValid || this.#ids.some(id => !ids.includes(id))) this.#epoch += 1
    if (!ids.includes(this.#own)) this.#own = undefined
    this.#ids = ids
    this.#validUntil = since + relay.leaseS * 1000
    if (ids.length > 1) await this.#giveBack()
  }

  /** For good, so that the next relay need not wait until the lease is over. */
  async release (): Promise<void> {
    this.#validUntil = -Infinity
    await this.#leases.releaseAll()
  }

  /** Ids of dead relays whose rows are gone. A relay that starts takes them again. */
  async #giveBack (): Promise<void> {
    const given = await this.#leases.release(this.#ids.filter(id => id !== this.#own))
    this.#ids = this.#ids.filter(id => !given.includes(id))
  }
}
