import type { Partition } from './partition.js'
import type { Partitions } from './partitions.js'
import type { Statistics } from './types.js'

type State = Statistics['topics'][string]['partitions'][string]

/** In statistics, one a second: a request for offsets, or a first fetch, that is merely slow is not to be disturbed. */
const [firstLimit, longestLimit] = [5, 320]

/**
 * Finds partitions that are held and not read. Where the group's coordinator moves just when librdkafka asks it for the
 * committed offsets, it is not asked again (librdkafka's issue 5586), and no other question is asked until then.
 */
export class UnreadPartitions {
  /** In statistics, one a second. */
  #unreadFor = 0
  /** Doubled by each attempt that has brought nothing. */
  #limit = firstLimit
  /** The last ones. */
  #before: Statistics['topics'] = {}

  /** Returns those that have to be assigned once more, when nothing of some was read for 5 s. To be told of each statistics. */
  check ({ cgrp, topics }: Statistics, { held, all }: Partitions, isCooperative: boolean): Partition[] {
    const unread = held.filter(({ topic, partition, next }) => next === undefined && isUnread(topics[topic]?.partitions[partition], this.#before[topic]?.partitions[partition]))
    this.#before = topics
    const isSteady = cgrp?.join_state === 'steady' && held.length === all.length
    this.#unreadFor = unread.length > 0 && isSteady ? this.#unreadFor + 1 : 0
    if (unread.length === 0) this.#limit = firstLimit
    if (this.#unreadFor < this.#limit) return []
    this.#unreadFor = 0
    this.#limit = Math.min(longestLimit, 2 * this.#limit)
    // An eager assignment can only be replaced.
    return isCooperative ? held.filter(({ next }) => next === undefined) : held
  }
}

/**
 * Of a partition of which neither a record nor the end of its log has come. It was never started, or given up and assigned
 * again; or it is fetched and the records come from nowhere: an answer that was under way when it was given up has
 * started it again, for nobody.
 */
function isUnread (now: State | undefined, before: State | undefined): boolean {
  if (now === undefined) return false
  // It passes over what is not handed out to anybody, such as aborted transactions.
  const isSkipping = before !== undefined && now.next_offset !== before.next_offset && now.rxmsgs === before.rxmsgs
  return now.fetch_state === 'none' || now.fetch_state === 'stopped' || (now.fetch_state === 'active' && now.hi_offset >= 0 && !isSkipping)
}
