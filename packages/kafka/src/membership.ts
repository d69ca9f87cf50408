import { loggerOf } from './logger.js'
import type { ClientOptions, ClientState, Statistics } from './types.js'

/** Out of the group for longer than a rebalance takes: lost. */
const lostAfterMs = 5000

type Partitions = Extract<ClientState, { type: 'assigned' }>['partitions']

/** Tells the listener whether this consumer is a member of its group; a rebalance is no interruption. */
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

  /** librdkafka says every second where it stands; nothing else tells of a session that has timed out. */
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
