import type { Partition } from './partition.js'
import type { Partitions } from './partitions.js'
import type { Statistics } from './types.js'

type State = Statistics['topics'][string]['partitions'][string]

/** In statistics events, one a second; long enough not to disturb a slow request for offsets or a slow first fetch. */
const [firstLimit, longestLimit] = [5, 320]

/**
 * Finds assigned partitions that are not read. If the group's coordinator moves while librdkafka fetches the committed offsets,
 * librdkafka neither repeats that request nor sends others (its issue 5586).
 */
export class UnreadPartitions {
  /** In statistics events. */
  #unreadFor = 0
  /** Doubled by each attempt without effect. */
  #limit = firstLimit
  /** Topics of the latest statistics. */
  #before: Statistics['topics'] = {}

  /** Returns the partitions to assign again, if some were not read for 5 s. To be called with each statistics event. */
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
 * Whether a partition that has returned neither a record nor the end of its log is stuck: its fetcher was never started, or a late
 * answer has restarted it for an earlier assignment, so that fetched records reach no queue.
 */
function isUnread (now: State | undefined, before: State | undefined): boolean {
  if (now === undefined) return false
  // Skips records that no consumer gets, such as aborted transactions.
  const isSkipping = before !== undefined && now.next_offset !== before.next_offset && now.rxmsgs === before.rxmsgs
  return now.fetch_state === 'none' || now.fetch_state === 'stopped' || (now.fetch_state === 'active' && now.hi_offset >= 0 && !isSkipping)
}
