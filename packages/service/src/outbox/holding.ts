import { relay } from '../limits.js'
import type { Leases } from './leases.js'
import { noRelay } from './table.js'

/**
 * The relay ids that this relay holds: it may send the rows of these ids. It measures its lease with a monotonic clock. When
 * the lease has expired, another relay may send the same rows, so rows that were read before must not be pushed.
 */
export class Holding {
  readonly #leases: Leases
  #own: number | undefined
  #ids: number[] = []
  #validUntil = -Infinity
  /** Incremented whenever the lease expired or an id was lost. */
  #epoch = 0

  constructor (leases: Leases) {
    this.#leases = leases
  }

  /** The relay id for new rows: this relay's own, or `noRelay` before it has one. */
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

  /** Whether this relay may still send rows that were read in this epoch. */
  isCurrent (epoch: number): boolean {
    return this.isValid && epoch === this.#epoch
  }

  /** Renews the lease; call it more often than the lease lasts. Rejects if the database is unreachable. */
  async renew (): Promise<void> {
    this.#own ??= await this.#leases.acquire()
    if (this.#own === undefined) return
    const since = performance.now()
    // After losing the database, a relay does not take other relays' ids in its first renewal: they may have lost it too.
    const ids = await this.#leases.renew(this.isValid || this.#epoch === 0)
    if (!this.isValid || this.#ids.some(id => !ids.includes(id))) this.#epoch += 1
    if (!ids.includes(this.#own)) this.#own = undefined
    this.#ids = ids
    this.#validUntil = since + relay.leaseS * 1000
    if (ids.length > 1) await this.#giveBack()
  }

  /** Gives back all ids, so that the next relay need not wait until the lease expires. */
  async release (): Promise<void> {
    this.#validUntil = -Infinity
    await this.#leases.releaseAll()
  }

  /** Gives back the ids of dead relays that have no rows left. A relay that starts reuses them. */
  async #giveBack (): Promise<void> {
    const released = await this.#leases.release(this.#ids.filter(id => id !== this.#own))
    this.#ids = this.#ids.filter(id => !released.includes(id))
  }
}
