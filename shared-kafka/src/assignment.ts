import type rdkafka from 'node-rdkafka'
import { KafkaError } from './errors.js'
import { Partition } from './partition.js'
import { Progress } from './progress.js'
import { toMessage } from './record.js'
import type { Logger, Message } from './types.js'

/**
 * Messages handed out without a commit, over all partitions. With more, what belongs to each outlives two collections of
 * the young: with 1,000 the profile service took 30 % more CPU for an event, and a quarter more memory.
 */
const inFlightLimit = 250
/** Messages fetched and not handed out yet: the next look goes on beside those that are. */
const fetchedLimit = 1000
/** How long messages in flight may hold up a rebalance, in ms. */
const revokeLimitMs = 5000

const nameOf = ({ topic, partition }: { topic: string, partition: number }) => `${topic} ${partition}`

/** The partitions that this member of the group holds, from their assignment to the last commit before they are given up. */
export class Assignment {
  isClosed = false
  readonly #handle: rdkafka.KafkaConsumer
  readonly #logger: Logger
  readonly #autoCommit: boolean
  #isCooperative = true
  #held = new Map<string, Partition>()
  /** Revoked, and waiting for messages in flight. */
  #leaving = new Map<string, Partition>()
  #isFull = false
  readonly #progress = new Progress()

  constructor (handle: rdkafka.KafkaConsumer, logger: Logger, autoCommit: boolean) {
    this.#handle = handle
    this.#logger = logger
    this.#autoCommit = autoCommit
  }

  get partitions (): Array<{ topic: string, partition: number }> {
    return [...this.#held.values()].map(({ topic, partition }) => ({ topic, partition }))
  }

  /** The next offset to be read of each partition, as far as one is known. */
  get positions (): Record<string, number> {
    const positions = this.#tell(() => this.#handle.position(this.partitions)) ?? []
    return Object.fromEntries(positions.filter(({ offset }) => offset !== undefined).map(at => [nameOf(at), Number(at.offset)]))
  }

  /** How many more messages may be fetched. */
  get room (): number {
    let fetched = 0
    for (const held of this.#held.values()) fetched += held.fetched
    return Math.max(0, fetchedLimit - fetched)
  }

  get #inFlight (): number {
    let sum = 0
    for (const { inFlight } of this.#held.values()) sum += inFlight
    for (const { inFlight } of this.#leaving.values()) sum += inFlight
    return sum
  }

  add (partitions: rdkafka.TopicPartition[]): void {
    this.#isCooperative = this.#handle.rebalanceProtocol() === 'COOPERATIVE'
    for (const { topic, partition } of partitions) {
      const added = new Partition(topic, partition)
      this.#held.set(nameOf(added), added)
    }
    this.#tell(() => this.#isCooperative ? this.#handle.incrementalAssign(partitions) : this.#handle.assign(partitions))
    this.#logger.info({ added: partitions.map(nameOf), held: this.#held.size }, 'kafka: partitions assigned')
  }

  /** Gives partitions up after their messages in flight are committed, or after 5 s. Until then librdkafka keeps them. */
  async remove (partitions: rdkafka.TopicPartition[]): Promise<void> {
    for (const name of partitions.map(nameOf)) {
      const leaving = this.#held.get(name)
      if (!leaving) continue
      this.#held.delete(name)
      leaving.drop()
      this.#leaving.set(name, leaving)
    }
    const leaving = partitions.flatMap(partition => this.#leaving.get(nameOf(partition)) ?? [])
    if (!this.isClosed) await this.#progress.until(() => leaving.every(({ inFlight }) => inFlight === 0), revokeLimitMs)
    this.storeOffsets()
    for (const name of partitions.map(nameOf)) this.#leaving.delete(name)
    // For librdkafka a pause outlasts the assignment.
    if (!this.isClosed) this.#tellOf('resume', leaving.filter(({ paused }) => paused))
    this.#tell(() => this.#isCooperative ? this.#handle.incrementalUnassign(partitions) : this.#handle.unassign())
    this.#progress.made()
    this.#logger.info({ removed: partitions.map(nameOf), held: this.#held.size }, 'kafka: partitions given up')
  }

  push (messages: rdkafka.Message[]): void {
    for (const message of messages) {
      const held = this.#held.get(nameOf(message)) // not any more, where it was revoked while librdkafka was asked
      held?.push(toMessage(message, () => {
        held.release(message.offset)
        this.#progress.made()
      }))
    }
  }

  /** The next message to hand out. */
  take (): Message | undefined {
    if (this.#inFlight >= inFlightLimit) return undefined
    for (const partition of this.#held.values()) {
      const message = partition.take()
      if (!message) continue
      if (this.#autoCommit) partition.commit(message.offset)
      this.#progress.made()
      return message
    }
    return undefined
  }

  commit (topic: string, partition: number, offset: number): void {
    const name = nameOf({ topic, partition })
    const found = this.#held.get(name) ?? this.#leaving.get(name)
    if (!found?.commit(offset)) {
      this.#logger.info({ topic, partition, offset }, 'kafka: commit dropped, the message is not in flight here')
    }
    this.#progress.made()
  }

  /** Pauses what has reached a bound and resumes what has room again, so that polling, and with it membership, goes on. */
  #pauseAndResume (): void {
    // Only with half of the room free again: a pause throws away what librdkafka has fetched ahead.
    this.#isFull = this.room < (this.#isFull ? fetchedLimit / 2 : 1)
    const change = [...this.#held.values()].filter(held => held.paused !== (this.#isFull || held.isFarAhead))
    this.#tellOf('pause', change.filter(({ paused }) => !paused))
    this.#tellOf('resume', change.filter(({ paused }) => paused))
    for (const partition of change) partition.paused = !partition.paused
  }

  /**
   * Hands the watermarks that have moved to librdkafka, which commits them in the background, but none below what is
   * committed: after a committed offset that was out of range, the first one has to be committed by itself.
   */
  storeOffsets (): void {
    const moved = this.#all().flatMap(held => {
      const watermark = held.takeWatermark()
      return watermark === undefined ? [] : [{ topic: held.topic, partition: held.partition, ...watermark }]
    })
    const first = moved.filter(({ isFirst }) => isFirst)
    if (moved.length > 0) this.#tell(() => this.#handle.offsetsStore(moved))
    if (first.length > 0) this.#tell(() => this.#handle.commit(first))
  }

  /**
   * Before polling: waits up to a second for half of the room, so that a look is worth its while. Where there is none by
   * then, pauses, which is dear.
   */
  async roomOrPause (): Promise<void> {
    if (!this.#isFull) await this.#progress.until(() => this.room >= fetchedLimit / 2, 1000)
    this.#pauseAndResume()
  }

  /** Resolves when no message is in flight any more, at the latest after `limitMs`. */
  async finished (limitMs: number): Promise<void> {
    await this.#progress.until(() => this.#all().every(({ inFlight }) => inFlight === 0), limitMs)
  }

  #all (): Partition[] {
    return [...this.#held.values(), ...this.#leaving.values()]
  }

  #tellOf (verb: 'pause' | 'resume', partitions: Partition[]): void {
    if (partitions.length > 0) this.#tell(() => this.#handle[verb](partitions.map(({ topic, partition }) => ({ topic, partition }))))
  }

  /** librdkafka refuses what it has lost meanwhile (ERR__STATE): the next assignment puts that right. */
  #tell<Answer> (call: () => Answer): Answer | undefined {
    try {
      return call()
    } catch (cause) {
      this.#logger.info({ err: KafkaError.from(cause) }, 'kafka: the assignment has changed meanwhile')
      return undefined
    }
  }
}
