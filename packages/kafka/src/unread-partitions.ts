import type { Partition } from './partition.js'
import type { Partitions } from './partitions.js'
import type { Statistics } from './types.js'

/** In statistics, one a second: a request for offsets that is merely slow is not to be disturbed. */
const unreadLimit = 5

/**
 * Finds partitions that are held and not read. Where the group's coordinator moves just when librdkafka asks it for the
 * committed offsets, it is not asked again (librdkafka's issue 5586), and no other question is asked until then.
 */
export class UnreadPartitions {
  /** In statistics, one a second. */
  #unreadFor = 0

  /** Returns those that have to be assigned once more, when none of what they have was read for 5 s. To be told of each statistics. */
  check ({ cgrp, topics }: Statistics, { held, all }: Partitions, isCooperative: boolean): Partition[] {
    const unread = held.filter(({ topic, partition, next }) => next === undefined && isUnread(topics[topic]?.partitions[partition]))
    const isSteady = cgrp?.join_state === 'steady' && held.length === all.length
    this.#unreadFor = unread.length > 0 && isSteady ? this.#unreadFor + 1 : 0
    if (this.#unreadFor < unreadLimit) return []
    this.#unreadFor = 0
    // An eager assignment can only be replaced.
    return isCooperative ? held.filter(({ next }) => next === undefined) : held
  }
}

/**
 * Of a partition of which neither a record nor the end of its log has come. It was never started, or given up and assigned
 * again; or it is fetched and the records come from nowhere: an answer that was under way when it was given up has
 * started it again, for nobody.
 */
function isUnread (statistics?: Statistics['topics'][string]['partitions'][string]): boolean {
  if (statistics === undefined) return false
  const { fetch_state: state, hi_offset: end } = statistics
  return state === 'none' || state === 'stopped' || (state === 'active' && end >= 0)
}
