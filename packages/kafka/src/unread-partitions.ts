import type { Partition } from './partition.js'
import type { Partitions } from './partitions.js'
import type { Statistics } from './types.js'

/** In statistics, one a second: a request for offsets that is merely slow is not to be disturbed. */
const unreadLimit = 5
/** Never started, or given up and assigned again. */
const isUnread = (state: string | undefined) => state === 'none' || state === 'stopped'

/**
 * Finds partitions that are held and not read. Where the group's coordinator moves just when librdkafka asks it for the
 * committed offsets, it is not asked again (librdkafka's issue 5586).
 */
export class UnreadPartitions {
  /** In statistics, one a second. */
  #unreadFor = 0

  /** Returns those that have to be assigned once more: what has not been read for 5 s. To be told of each statistics. */
  check ({ cgrp, topics }: Statistics, { held, all }: Partitions, isCooperative: boolean): Partition[] {
    const unread = held.filter(({ topic, partition }) => isUnread(topics[topic]?.partitions[partition]?.fetch_state))
    // Those of an eager assignment are asked for together, and cannot be assigned apart from each other.
    const canAsk = unread.length > 0 && (isCooperative || unread.length === held.length)
    const isSteady = cgrp?.join_state === 'steady' && held.length === all.length
    this.#unreadFor = canAsk && isSteady ? this.#unreadFor + 1 : 0
    if (this.#unreadFor < unreadLimit) return []
    this.#unreadFor = 0
    return unread
  }
}
