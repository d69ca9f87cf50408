import { loggerOf } from './logger.js'
import type { ClientOptions } from './client-options.js'
import type { ClientState, Statistics } from './types.js'

/** After this long outside the group, longer than a rebalance takes, membership is lost, in ms. */
const lostAfterMs = 5000

type Partitions = Extract<ClientState, { type: 'assigned' }>['partitions']

/** Reports whether this consumer is a member of its group. A rebalance does not interrupt membership. */
export class Membership {
  readonly #options: ClientOptions
  #isMember = false
  #seenAt = 0

  constructor (options: ClientOptions) {
    this.#options = options
  }

  assigned (partitions: Partitions): void {
    this.#isMember = true
    this.#seenAt = performance.now()
    this.#options.onState?.({ type: 'assigned', partitions })
  }

  /** To be called with each statistics event: only statistics show that a session has timed out. */
  check ({ cgrp }: Statistics, partitions: Partitions): void {
    if (cgrp?.join_state === 'steady') {
      if (!this.#isMember) this.assigned(partitions)
      this.#seenAt = performance.now()
    } else if (this.#isMember && performance.now() - this.#seenAt > lostAfterMs) {
      this.#isMember = false
      loggerOf(this.#options).warn({}, 'kafka: no member of the group any more')
      this.#options.onState?.({ type: 'lost' })
    }
  }
}
