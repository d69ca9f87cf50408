import { pollLimit } from './native-batch.js'
import { fetchedLimit } from './fetched-messages.js'
import { Partition } from './partition.js'
import type { Message } from './types.js'

/**
 * Permits for messages in flight over all partitions: one for each 128 KiB begun of a message, so at most 250 messages or 32 MB
 * are in flight. With more, the objects of a message outlive two young-generation collections: with 1,000 permits the profile
 * service took 30 % more CPU for an event, and 25 % more memory.
 */
export const permitLimit = 250
/** Permits reserved for each partition, which partitions held up by a busy key or a slow handler cannot take. */
const reservedPermits = 16

/** After so many messages of one partition in a row the others come first: one that always has more would keep them waiting. */
const mostInARow = 100

interface TopicPartition { topic: string, partition: number }

export const nameOf = ({ topic, partition }: TopicPartition) => `${topic} ${partition}`

const sumOf = (partitions: Partition[], value: (partition: Partition) => number) => partitions.reduce((sum, partition) => sum + value(partition), 0)
const loadOf = (partitions: Partition[]) => sumOf(partitions, ({ load }) => load)

/** All partitions of an assignment by name, and the bounds on their fetched messages and messages in flight. */
export class Partitions {
  readonly #isCumulative: boolean
  readonly #all = new Map<string, Partition>()
  /** Result of the latest `find`. */
  #found: Partition | undefined
  /** Which partition the latest message was taken of, and how many before it in a row. */
  #taken = ''
  #inARow = 0
  /** Permits reserved for each partition; together at most half of all permits. */
  #reserved = reservedPermits

  constructor (isCumulative = false) {
    this.#isCumulative = isCumulative
  }

  /** Assigned partitions that are not leaving. */
  get held (): Partition[] {
    return this.all.filter(({ isLeaving }) => !isLeaving)
  }

  get all (): Partition[] {
    return [...this.#all.values()]
  }

  /** The most that the next read may take: at least one message, because full partitions are paused. */
  get capacity (): { count: number, bytes: number } {
    const free = Math.max(0, 1 - loadOf(this.all))
    return {
      count: Math.max(1, Math.min(pollLimit.records, Math.floor(free * fetchedLimit.messages))),
      bytes: Math.min(pollLimit.bytes, Math.floor(free * fetchedLimit.bytes))
    }
  }

  /** Whether a paused partition can be resumed. */
  get isResumeDue (): boolean {
    return this.held.some(({ paused }) => paused) && this.toChange.some(({ paused }) => paused)
  }

  /** Whether the active partitions have handed out at least half of what they may hold; before that a read is not worthwhile. */
  get hasCapacity (): boolean {
    const { active, paused } = this.#byState()
    return loadOf(active) <= capacityBeside(loadOf(paused))
  }

  get inFlight (): number {
    return sumOf(this.all, ({ inFlight }) => inFlight)
  }

  add ({ topic, partition }: TopicPartition): void {
    this.#all.set(nameOf({ topic, partition }), new Partition(topic, partition, this.#isCumulative))
    this.#changed()
  }

  delete (partition: TopicPartition): void {
    this.#all.delete(nameOf(partition))
    this.#changed()
  }

  /** Keeps the latest result: called for each message, and most messages follow one of the same partition. */
  find (topic: string, partition: number): Partition | undefined {
    if (this.#found?.partition !== partition || this.#found.topic !== topic) {
      this.#found = this.#all.get(nameOf({ topic, partition }))
    }
    return this.#found
  }

  /** The next message to hand out. */
  take (): Message | undefined {
    let [taken, shared] = [0, 0]
    for (const { permits } of this.#all.values()) {
      taken += permits
      shared += Math.max(0, permits - this.#reserved)
    }
    if (taken >= permitLimit) return undefined
    const isSharedLeft = shared < permitLimit - this.#reserved * this.#all.size
    for (const [name, partition] of this.#all) {
      const message = isSharedLeft || partition.permits < this.#reserved ? partition.take() : undefined
      if (message === undefined) continue
      this.#inARow = name === this.#taken ? this.#inARow + 1 : 1
      this.#taken = name
      if (this.#inARow % mostInARow === 0) {
        this.#all.delete(name)
        this.#all.set(name, partition)
      }
      return message
    }
    return undefined
  }

  /**
   * Partitions to pause or resume. Without capacity, each partition that holds more than its share is paused: it cannot hand out
   * what it holds, and would keep the others from being read. A paused one is resumed once it holds less than its share.
   */
  get toChange (): Partition[] {
    const { active, paused } = this.#byState()
    const pausedLoad = loadOf(paused)
    const isCrowded = loadOf(active) > capacityBeside(pausedLoad)
    const share = (othersLoad: number) => capacityBeside(othersLoad) / (active.length + paused.length)
    return [
      ...active.filter(({ isFarAhead, load }) => isFarAhead || (isCrowded && load > share(pausedLoad))),
      ...paused.filter(({ isFarAhead, load }) => !isFarAhead && load <= share(pausedLoad - load))
    ]
  }

  #byState (): { active: Partition[], paused: Partition[] } {
    const { held } = this
    return { active: held.filter(({ paused }) => !paused), paused: held.filter(({ paused }) => paused) }
  }

  #changed (): void {
    this.#found = undefined
    this.#reserved = Math.max(1, Math.min(reservedPermits, Math.floor(permitLimit / 2 / Math.max(1, this.#all.size))))
  }
}

/** The load that active partitions may have before a read, beside the load of paused ones: half of the rest is left for the read. */
function capacityBeside (pausedLoad: number): number {
  return Math.max(0, 1 - pausedLoad) / 2
}
