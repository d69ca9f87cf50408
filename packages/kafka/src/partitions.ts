import { fetchedLimit, Partition } from './partition.js'
import type { Message } from './types.js'

/**
 * Permits for messages handed out without a commit, over all partitions: one for each 128 KiB begun of a message, so that
 * 250 messages or 32 MB are out at most. With more messages, what belongs to each outlives two collections of the young:
 * with 1,000 the profile service took 30 % more CPU for an event, and a quarter more memory.
 */
export const permitLimit = 250
/** Permits that only the partition itself can take, so that others, held up by a busy key or a slow handler, leave it some. */
const reservedPermits = 16
/** The most that one read takes: a turn of the event loop is to be short. The last message may go beyond the bytes. */
const [maxPollRecords, maxPollBytes] = [fetchedLimit.messages / 2, fetchedLimit.bytes / 4]

interface At { topic: string, partition: number }

export const nameOf = ({ topic, partition }: At) => `${topic} ${partition}`

const sumOf = (partitions: Partition[], value: (partition: Partition) => number) => partitions.reduce((sum, partition) => sum + value(partition), 0)
const loadOf = (partitions: Partition[]) => sumOf(partitions, ({ load }) => load)

/** Partitions by their names, and the bounds of what is fetched and handed out over all of them. */
export class Partitions {
  readonly #isCumulative: boolean
  readonly #all = new Map<string, Partition>()
  /** The last one that was looked for. */
  #found: Partition | undefined
  /** Permits reserved for each partition, at most half of all together. */
  #reserved = reservedPermits

  constructor (isCumulative = false) {
    this.#isCumulative = isCumulative
  }

  /** Those that are assigned, without those that are leaving. */
  get held (): Partition[] {
    return this.all.filter(({ isLeaving }) => !isLeaving)
  }

  get all (): Partition[] {
    return [...this.#all.values()]
  }

  /** How much the next read may take: at least one message, since what is full is paused. */
  get room (): { count: number, bytes: number } {
    const free = Math.max(0, 1 - loadOf(this.all))
    return {
      count: Math.max(1, Math.min(maxPollRecords, Math.floor(free * fetchedLimit.messages))),
      bytes: Math.min(maxPollBytes, Math.floor(free * fetchedLimit.bytes))
    }
  }

  /** Whether something is paused that is to be resumed. */
  get isResumeDue (): boolean {
    return this.held.some(({ paused }) => paused) && this.toChange.some(({ paused }) => paused)
  }

  /** Whether a read is worth its while: what is not paused has handed out half of what it may hold. */
  get hasRoom (): boolean {
    const { active, paused } = this.#byState()
    return loadOf(active) <= roomBeside(loadOf(paused))
  }

  get inFlight (): number {
    return sumOf(this.all, ({ inFlight }) => inFlight)
  }

  add ({ topic, partition }: At): void {
    this.#all.set(nameOf({ topic, partition }), new Partition(topic, partition, this.#isCumulative))
    this.#changed()
  }

  delete (at: At): void {
    this.#all.delete(nameOf(at))
    this.#changed()
  }

  /** Asked for each message, and most follow one of the same partition: a name is not made for each. */
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
    for (const partition of this.#all.values()) {
      const message = isSharedLeft || partition.permits < this.#reserved ? partition.take() : undefined
      if (message) return message
    }
    return undefined
  }

  /**
   * Those to be paused or resumed. Where no read is worth its while, each one that holds more than its share of the room
   * is paused: it cannot hand out what it holds, and must not keep the others from being read. Resumed is what holds less.
   */
  get toChange (): Partition[] {
    const { active, paused } = this.#byState()
    const pausedLoad = loadOf(paused)
    const isCrowded = loadOf(active) > roomBeside(pausedLoad)
    const share = (othersLoad: number) => roomBeside(othersLoad) / (active.length + paused.length)
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

/** What the others may hold before a read, where those that are paused hold so much: half of the rest is for the read. */
function roomBeside (pausedLoad: number): number {
  return Math.max(0, 1 - pausedLoad) / 2
}
