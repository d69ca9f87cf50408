import type rdkafka from 'node-rdkafka'
import { KafkaError } from './errors.js'
import type { Partition } from './partition.js'
import { nameOf, Partitions } from './partitions.js'
import { Condition } from './condition.js'
import { toMessage } from './record.js'
import type { Logger, Message, Statistics } from './types.js'

/** How long a look waits for room before what is full is paused, in ms; a pause throws away what librdkafka has fetched ahead. */
const roomLimitMs = 250
/** How long messages in flight may hold up a rebalance, in ms. */
const revokeLimitMs = 5000

/** In statistics, one a second: a request for offsets that is merely slow is not to be disturbed. */
const askAgainAfter = 5
/** Never started, or given up and assigned again. */
const isUnread = (state: string | undefined) => state === 'none' || state === 'stopped'

const toTopicPartition = ({ topic, partition }: Partition) => ({ topic, partition })

/** The partitions that this member of the group holds, from their assignment to the last commit before they are given up. */
export class Assignment {
  isClosed = false
  readonly #handle: rdkafka.KafkaConsumer
  readonly #logger: Logger
  readonly #autoCommit: boolean
  #isCooperative = true
  /** Those that are leaving too: revoked, and waiting for messages in flight. */
  readonly #partitions = new Partitions()
  /** In statistics, one a second. */
  #unreadFor = 0
  readonly #condition = new Condition()

  constructor (handle: rdkafka.KafkaConsumer, logger: Logger, autoCommit: boolean) {
    this.#handle = handle
    this.#logger = logger
    this.#autoCommit = autoCommit
  }

  get partitions (): Array<{ topic: string, partition: number }> {
    return this.#partitions.held.map(toTopicPartition)
  }

  /** The next offset to be read of each partition, as far as one is known. */
  get positions (): Record<string, number> {
    const positions = this.#tell(() => this.#handle.position(this.partitions)) ?? []
    return Object.fromEntries(positions.filter(({ offset }) => offset !== undefined).map(at => [nameOf(at), Number(at.offset)]))
  }

  /** How many messages the next look may fetch. */
  get room (): number {
    return this.#partitions.room
  }

  add (partitions: rdkafka.TopicPartition[]): void {
    this.#isCooperative = this.#handle.rebalanceProtocol() === 'COOPERATIVE'
    for (const partition of partitions) this.#partitions.add(partition)
    this.#tell(() => this.#isCooperative ? this.#handle.incrementalAssign(partitions) : this.#handle.assign(partitions))
    this.#logger.info({ added: partitions.map(nameOf), held: this.#partitions.held.length }, 'kafka: partitions assigned')
  }

  /** Gives partitions up after their messages in flight are committed, or after 5 s. Until then librdkafka keeps them. */
  async remove (partitions: rdkafka.TopicPartition[]): Promise<void> {
    const leaving = partitions.flatMap(({ topic, partition }) => this.#partitions.find(topic, partition) ?? [])
    for (const partition of leaving) partition.leave()
    if (!this.isClosed) await this.#condition.until(() => leaving.every(({ inFlight }) => inFlight === 0), revokeLimitMs)
    this.storeOffsets()
    for (const partition of leaving) this.#partitions.delete(partition)
    // For librdkafka a pause outlasts the assignment.
    if (!this.isClosed) this.#tellOf('resume', leaving.filter(({ paused }) => paused))
    this.#tell(() => this.#isCooperative ? this.#handle.incrementalUnassign(partitions) : this.#handle.unassign())
    this.#condition.made()
    this.#logger.info({ removed: partitions.map(nameOf), held: this.#partitions.held.length }, 'kafka: partitions given up')
  }

  push (messages: rdkafka.Message[]): void {
    for (const message of messages) {
      const partition = this.#partitions.find(message.topic, message.partition)
      if (partition === undefined || partition.isLeaving) continue // revoked while librdkafka was asked
      partition.push(toMessage(message, () => {
        partition.release(message.offset)
        this.#condition.made()
      }))
    }
  }

  /** To be called when a look has found the end of a log, and its messages were pushed. */
  reachedEnd ({ topic, partition, offset }: { topic: string, partition: number, offset: number }): void {
    this.#partitions.find(topic, partition)?.reachedEnd(offset)
  }

  /** Topics of which messages have been out for so long, and none was ever committed or released. */
  unhandled (forMs: number): string[] {
    const since = performance.now() - forMs
    const unanswered = this.#partitions.held.filter(({ unansweredSince }) => unansweredSince !== undefined && unansweredSince < since)
    return [...new Set(unanswered.map(({ topic }) => topic))]
  }

  /** The next message to hand out. */
  take (): Message | undefined {
    const message = this.#partitions.take()
    if (!message) return undefined
    if (this.#autoCommit) this.#partitions.find(message.topic, message.partition)?.commit(message.offset)
    this.#condition.made()
    return message
  }

  commit (topic: string, partition: number, offset: number): void {
    if (!this.#partitions.find(topic, partition)?.commit(offset)) {
      this.#logger.info({ topic, partition, offset }, 'kafka: commit dropped, the message is not in flight here')
    }
    this.#condition.made()
  }

  /** Pauses what has reached a bound and resumes what has room again, so that polling, and with it membership, goes on. */
  #pauseAndResume (): void {
    const change = this.#partitions.toChange
    this.#tellOf('pause', change.filter(({ paused }) => !paused))
    this.#tellOf('resume', change.filter(({ paused }) => paused))
    for (const partition of change) partition.paused = !partition.paused
  }

  /**
   * Hands the watermarks that have moved to librdkafka, which commits them in the background, but none below what is
   * committed: after a committed offset that was out of range, the first one has to be committed by itself.
   */
  storeOffsets (): void {
    const moved = this.#partitions.all.flatMap(held => {
      const watermark = held.takeWatermark()
      return watermark === undefined ? [] : [{ topic: held.topic, partition: held.partition, ...watermark }]
    })
    const first = moved.filter(({ isFirst }) => isFirst)
    if (moved.length > 0) this.#tell(() => this.#handle.offsetsStore(moved))
    if (first.length > 0) this.#tell(() => this.#handle.commit(first))
  }

  /** Before polling: waits for a short while until a look is worth its while. Where it is not by then, pauses what holds it up. */
  async roomOrPause (): Promise<void> {
    await this.#condition.until(() => this.#partitions.hasRoom, roomLimitMs)
    this.#pauseAndResume()
  }

  /**
   * To be told of each statistics. Assigns once more what has not been read for 5 s, since librdkafka may never read it:
   * where the group's coordinator moves just when it is asked for the committed offsets, it is not asked again
   * (librdkafka's issue 5586).
   */
  refetchOffsets ({ cgrp, topics }: Statistics): void {
    const { held, all } = this.#partitions
    const unread = held.filter(({ topic, partition }) => isUnread(topics[topic]?.partitions[partition]?.fetch_state)).map(toTopicPartition)
    // Those of an eager assignment are asked for together, and cannot be assigned apart from each other.
    const canAsk = unread.length > 0 && (this.#isCooperative || unread.length === held.length)
    const isSteady = cgrp?.join_state === 'steady' && held.length === all.length
    this.#unreadFor = canAsk && isSteady ? this.#unreadFor + 1 : 0
    if (this.#unreadFor < askAgainAfter) return
    this.#unreadFor = 0
    this.#logger.info({ unread: unread.map(nameOf) }, 'kafka: committed offsets are asked for again')
    if (!this.#isCooperative) this.#tell(() => this.#handle.assign(unread))
    else {
      this.#tell(() => this.#handle.incrementalUnassign(unread))
      this.#tell(() => this.#handle.incrementalAssign(unread))
    }
  }

  /** Resolves when no message is in flight any more, at the latest after `limitMs`. */
  async finished (limitMs: number): Promise<void> {
    await this.#condition.until(() => this.#partitions.inFlight === 0, limitMs)
  }

  #tellOf (verb: 'pause' | 'resume', partitions: Partition[]): void {
    if (partitions.length > 0) this.#tell(() => this.#handle[verb](partitions.map(toTopicPartition)))
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
