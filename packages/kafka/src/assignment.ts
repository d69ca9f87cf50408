import rdkafka from 'node-rdkafka'
import type { AttachedConsumer } from './attached-consumer.js'
import type { Condition } from './condition.js'
import { KafkaError } from './errors.js'
import type { Batch, ReadError, ReadMessage } from './native-batch.js'
import type { Partition } from './partition.js'
import { nameOf, Partitions } from './partitions.js'
import { toMessage } from './record.js'
import type { Logger, Message, Statistics } from './types.js'
import type { Flow } from './stall.js'
import { UnreadPartitions } from './unread-partitions.js'

/** How long a read waits for room before what is full is paused, in ms; a pause throws away what librdkafka has fetched ahead. */
const roomLimitMs = 250
/** How long a new watermark waits to be stored, in ms. */
const storeAfterMs = 100
/** How long messages in flight may hold up a rebalance, in ms. */
const revokeLimitMs = 5000

const endOfPartition = rdkafka.CODES.ERRORS.ERR__PARTITION_EOF
const toTopicPartition = ({ topic, partition }: Partition) => ({ topic, partition })

/** The partitions that this member of the group holds, from their assignment to the last commit before they are given up. */
export class Assignment {
  isClosed = false
  readonly #handle: rdkafka.KafkaConsumer
  readonly #logger: Logger
  readonly #autoCommit: boolean
  #isCooperative = true
  /** Those that are leaving too: revoked, and waiting for messages in flight. */
  readonly #partitions: Partitions
  readonly #unread = new UnreadPartitions()
  #storing: NodeJS.Timeout | undefined
  /** Messages handed out, committed or released until now. */
  #moves = 0
  readonly #condition: Condition

  constructor ({ handle, condition }: AttachedConsumer, logger: Logger, { autoCommit, isCumulative }: { autoCommit: boolean, isCumulative: boolean }) {
    this.#partitions = new Partitions(isCumulative)
    this.#handle = handle
    this.#condition = condition
    this.#logger = logger
    this.#autoCommit = autoCommit
  }

  get partitions (): Array<{ topic: string, partition: number }> {
    return this.#partitions.held.map(toTopicPartition)
  }

  /** How much the next read may take. */
  get room (): { count: number, bytes: number } {
    return this.#partitions.room
  }

  /** Whether something is paused that is to be read on. */
  get isResumeDue (): boolean {
    return this.#partitions.isResumeDue
  }

  add (partitions: rdkafka.TopicPartition[]): void {
    this.#isCooperative = this.#handle.rebalanceProtocol() === 'COOPERATIVE'
    // Nobody takes these away again: librdkafka has left the group already.
    if (this.isClosed && !this.#isCooperative) {
      this.#tell(() => this.#handle.assign([]))
      return
    }
    for (const partition of partitions) this.#partitions.add(partition)
    this.#tell(() => this.#isCooperative ? this.#handle.incrementalAssign(partitions) : this.#handle.assign(partitions))
    this.#logger.info({ added: partitions.map(nameOf), held: this.#partitions.held.length }, 'kafka: partitions assigned')
  }

  /** Gives partitions up after their messages in flight are committed, or after 5 s. Until then librdkafka keeps them. */
  async remove (partitions: rdkafka.TopicPartition[]): Promise<void> {
    const leaving = partitions.flatMap(({ topic, partition }) => this.#partitions.find(topic, partition) ?? [])
    for (const partition of leaving) partition.leave()
    await this.#condition.until(() => this.isClosed || leaving.every(({ inFlight }) => inFlight === 0), revokeLimitMs)
    this.storeOffsets()
    for (const partition of leaving) this.#partitions.delete(partition)
    // For librdkafka a pause outlasts the assignment.
    if (!this.isClosed) this.#tellOf('resume', leaving.filter(({ paused }) => paused))
    this.#tell(() => this.#isCooperative ? this.#handle.incrementalUnassign(partitions) : this.#handle.unassign())
    this.#condition.made()
    this.#logger.info({ removed: partitions.map(nameOf), held: this.#partitions.held.length }, 'kafka: partitions given up')
  }

  /** Takes what was read. Returns the errors that are more than the end of a log. */
  push ({ messages, errors }: Batch): ReadError[] {
    const ends = errors.filter(({ code }) => code === endOfPartition)
    let from = 0
    for (const { topic = '', partition, offset, before } of ends) {
      for (const message of messages.slice(from, before)) this.#push(message)
      from = before
      this.#partitions.find(topic, partition)?.reachedEnd(offset)
    }
    for (const message of messages.slice(from)) this.#push(message)
    if (ends.length > 0) this.#storeSoon()
    const failures = errors.filter(({ code }) => code !== endOfPartition)
    for (const { topic = '', partition, offset } of failures) this.#partitions.find(topic, partition)?.failedAt(offset)
    return failures
  }

  /** Topics of which messages have been out for so long, and none was ever committed or released. */
  unhandled (forMs: number): string[] {
    const since = performance.now() - forMs
    const unanswered = this.#partitions.held.filter(({ unansweredSince }) => unansweredSince !== undefined && unansweredSince < since)
    return [...new Set(unanswered.map(({ topic }) => topic))]
  }

  /** How many messages are out without a commit, how often that has changed, and whether more are there. */
  get flow (): Flow {
    return { inFlight: this.#partitions.inFlight, moves: this.#moves, isHeldUp: this.#partitions.held.some(({ hasFetched }) => hasFetched) }
  }

  /** The next message to hand out. */
  take (): Message | undefined {
    const message = this.#partitions.take()
    if (!message) return undefined
    this.#moves++
    if (this.#autoCommit) this.#partitions.find(message.topic, message.partition)?.commit(message.offset)
    if (this.#autoCommit) this.#storeSoon()
    this.#condition.made()
    return message
  }

  commit (topic: string, partition: number, offset: number): void {
    this.#moves++
    if (!this.#partitions.find(topic, partition)?.commit(offset)) {
      this.#logger.info({ topic, partition, offset }, 'kafka: commit dropped, the message is not in flight here')
    }
    this.#storeSoon()
    this.#condition.made()
  }

  #push (message: ReadMessage): void {
    const partition = this.#partitions.find(message.topic, message.partition)
    if (partition === undefined || partition.isLeaving) return // revoked since librdkafka has served it
    partition.push(toMessage(message, () => {
      this.#moves++
      partition.release(message.offset)
      this.#condition.made()
    }), message.size)
  }

  #storeSoon (): void {
    if (!this.isClosed) this.#storing ??= setTimeout(() => this.storeOffsets(), storeAfterMs)
  }

  /** Pauses what has reached a bound and resumes what has room again, so that reading, and with it membership, goes on. */
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
    clearTimeout(this.#storing)
    this.#storing = undefined
    const moved = this.#partitions.all.flatMap(held => {
      const watermark = held.takeWatermark()
      return watermark === undefined ? [] : [{ topic: held.topic, partition: held.partition, ...watermark }]
    })
    const first = moved.filter(({ isFirst }) => isFirst)
    if (moved.length > 0) this.#tell(() => this.#handle.offsetsStore(moved))
    if (first.length > 0) this.#tell(() => this.#handle.commit(first))
  }

  /** Before reading: waits for a short while until a read is worth its while. Where it is not by then, pauses what holds it up. */
  async roomOrPause (): Promise<void> {
    await this.#condition.until(() => this.isClosed || this.#partitions.hasRoom, roomLimitMs)
    this.#pauseAndResume()
  }

  /** To be told of each statistics. Assigns once more what librdkafka may never read otherwise. */
  readAgain (statistics: Statistics): void {
    const again = this.#unread.check(statistics, this.#partitions, this.#isCooperative)
    if (again.length === 0) return
    this.#logger.info({ unread: again.filter(({ next }) => next === undefined).map(nameOf) }, 'kafka: committed offsets are asked for again')
    if (this.#isCooperative) this.#tell(() => this.#handle.incrementalUnassign(again.map(toTopicPartition)))
    const from = again.map(held => ({ ...toTopicPartition(held), ...held.next !== undefined && { offset: held.next } }))
    this.#tell(() => this.#isCooperative ? this.#handle.incrementalAssign(from) : this.#handle.assign(from))
  }

  /** Resolves when no message is in flight any more, at the latest after `limitMs`. */
  async finished (limitMs: number): Promise<void> {
    await this.#condition.until(() => this.#partitions.inFlight === 0, limitMs)
  }

  /** Whether no partition is held any more, which is waited for, for at most `limitMs`. */
  async givenUp (limitMs: number): Promise<boolean> {
    const isSo = () => this.#partitions.all.length === 0
    await this.#condition.until(isSo, limitMs)
    return isSo()
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
