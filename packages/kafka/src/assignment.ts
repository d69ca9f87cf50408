import rdkafka from 'node-rdkafka'
import { AssignedHandle } from './assigned-handle.js'
import type { AttachedConsumer } from './attached-consumer.js'
import type { Condition } from './condition.js'
import type { Batch, ReadError, ReadMessage } from './native-batch.js'
import type { Partition } from './partition.js'
import { nameOf, Partitions } from './partitions.js'
import { toMessage } from './record.js'
import type { Logger, Message, Statistics } from './types.js'
import type { Flow } from './stall.js'
import { UnreadPartitions } from './unread-partitions.js'

/** Longest wait for capacity before full partitions are paused, in ms; a pause discards what librdkafka has fetched ahead. */
const capacityLimitMs = 250
/** Longest time until a new watermark is stored, in ms. */
const storeAfterMs = 100
/** Longest time that messages in flight delay a rebalance, in ms. */
const revokeLimitMs = 5000

const endOfPartition = rdkafka.CODES.ERRORS.ERR__PARTITION_EOF
const toTopicPartition = ({ topic, partition }: Partition) => ({ topic, partition })

/** The partitions of this group member, from their assignment to the last commit before they are given up. */
export class Assignment {
  isClosed = false
  readonly #handle: AssignedHandle
  readonly #logger: Logger
  readonly #autoCommit: boolean
  /** Includes revoked partitions that wait for messages in flight. */
  readonly #partitions: Partitions
  readonly #unread = new UnreadPartitions()
  #storing: NodeJS.Timeout | undefined
  /** Messages handed out, committed or released so far. */
  #moves = 0
  readonly #condition: Condition

  constructor ({ handle, condition }: AttachedConsumer, logger: Logger, { autoCommit, isCumulative }: { autoCommit: boolean, isCumulative: boolean }) {
    this.#partitions = new Partitions(isCumulative)
    this.#handle = new AssignedHandle(handle, logger)
    this.#condition = condition
    this.#logger = logger
    this.#autoCommit = autoCommit
  }

  get partitions (): Array<{ topic: string, partition: number }> {
    return this.#partitions.held.map(toTopicPartition)
  }

  /** The most that the next read may take. */
  get capacity (): { count: number, bytes: number } {
    return this.#partitions.capacity
  }

  /** Whether a paused partition can be resumed. */
  get isResumeDue (): boolean {
    return this.#partitions.isResumeDue
  }

  add (partitions: rdkafka.Assignment[]): void {
    this.#handle.readProtocol()
    // librdkafka has left the group already, so no revocation will follow.
    if (this.isClosed && !this.#handle.isCooperative) return this.#handle.assign([])
    for (const partition of partitions) this.#partitions.add(partition)
    this.#handle.assign(partitions)
    this.#logger.info({ added: partitions.map(nameOf), held: this.#partitions.held.length }, 'kafka: partitions assigned')
  }

  /** Commits the starting points of a group without commits, so that the next member continues from there. Negative offsets are unknown ones. */
  startAt (starts: rdkafka.TopicPartitionOffset[]): void {
    for (const { topic, partition, offset } of starts) if (offset >= 0) this.#partitions.find(topic, partition)?.startAt(offset)
    if (starts.length > 0) this.#storeSoon()
  }

  /** Gives partitions up once their messages in flight are committed, at the latest after 5 s. librdkafka keeps them until then. */
  async remove (partitions: rdkafka.Assignment[]): Promise<void> {
    const leaving = partitions.flatMap(({ topic, partition }) => this.#partitions.find(topic, partition) ?? [])
    for (const partition of leaving) partition.leave()
    await this.#condition.until(() => this.isClosed || leaving.every(({ inFlight }) => inFlight === 0), revokeLimitMs)
    this.storeOffsets()
    for (const partition of leaving) this.#partitions.delete(partition)
    // In librdkafka a pause outlasts the assignment.
    if (!this.isClosed) this.#handle.resume(leaving.filter(({ paused }) => paused).map(toTopicPartition))
    // Not `partitions`: a `rebalance_cb` may have assigned only some of them.
    this.#handle.unassign(leaving.map(toTopicPartition))
    this.#condition.changed()
    this.#logger.info({ removed: partitions.map(nameOf), held: this.#partitions.held.length }, 'kafka: partitions given up')
  }

  /** Takes a batch that was read. Returns its errors, without ends of partitions. */
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

  /** Topics with messages in flight for longer than `forMs`, of which none was ever committed or released. */
  unhandled (forMs: number): string[] {
    const since = performance.now() - forMs
    const unanswered = this.#partitions.held.filter(({ unansweredSince }) => unansweredSince !== undefined && unansweredSince < since)
    return [...new Set(unanswered.map(({ topic }) => topic))]
  }

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
    this.#condition.changed()
    return message
  }

  commit (topic: string, partition: number, offset: number): void {
    this.#moves++
    if (!this.#partitions.find(topic, partition)?.commit(offset)) {
      this.#logger.info({ topic, partition, offset }, 'kafka: commit dropped, the message is not in flight here')
    }
    this.#storeSoon()
    this.#condition.changed()
  }

  #push (message: ReadMessage): void {
    const partition = this.#partitions.find(message.topic, message.partition)
    if (partition === undefined || partition.isLeaving) return // revoked since librdkafka fetched it
    partition.push(toMessage(message, () => {
      this.#moves++
      partition.release(message.offset)
      this.#condition.changed()
    }), message.size)
  }

  #storeSoon (): void {
    if (!this.isClosed) this.#storing ??= setTimeout(() => this.storeOffsets(), storeAfterMs)
  }

  /**
   * Stores watermarks that have moved; librdkafka commits them in the background, but never an offset below the committed one.
   * So the first watermark of a partition is committed explicitly: the committed offset may be higher, from before the log went back.
   */
  storeOffsets (): void {
    clearTimeout(this.#storing)
    this.#storing = undefined
    const moved = this.#partitions.all.flatMap(held => {
      const watermark = held.takeWatermark()
      return watermark === undefined ? [] : [{ topic: held.topic, partition: held.partition, ...watermark }]
    })
    this.#handle.store(moved)
    const first = moved.filter(({ isFirst }) => isFirst)
    if (first.length > 0) this.#handle.commit(first)
  }

  /** Requests a commit of the stored offsets, without waiting for it. */
  commitStored (): void {
    this.#handle.commit()
  }

  /** Waits up to 250 ms for capacity, then pauses full partitions and resumes others, so that polling, and with it membership, goes on. */
  async capacityOrPause (): Promise<void> {
    await this.#condition.until(() => this.isClosed || this.#partitions.hasCapacity, capacityLimitMs)
    const change = this.#partitions.toChange
    this.#handle.pause(change.filter(({ paused }) => !paused).map(toTopicPartition))
    this.#handle.resume(change.filter(({ paused }) => paused).map(toTopicPartition))
    for (const partition of change) partition.paused = !partition.paused
  }

  /** Reassigns partitions that librdkafka would never read. To be called with each statistics event. */
  refetchOffsets (statistics: Statistics): void {
    const again = this.#unread.check(statistics, this.#partitions, this.#handle.isCooperative)
    if (again.length === 0) return
    this.#logger.info({ unread: again.filter(({ next }) => next === undefined).map(nameOf) }, 'kafka: committed offsets are fetched again')
    this.#handle.reassign(again.map(held => ({ ...toTopicPartition(held), ...held.next !== undefined && { offset: held.next } })))
  }

  /** Resolves when no message is in flight, at the latest after `limitMs`. */
  async finished (limitMs: number): Promise<void> {
    await this.#condition.until(() => this.#partitions.inFlight === 0, limitMs)
  }

  /** Resolves with true when no partition is held, with false after `limitMs`. */
  async givenUp (limitMs: number): Promise<boolean> {
    const isGivenUp = () => this.#partitions.all.length === 0
    await this.#condition.until(isGivenUp, limitMs)
    return isGivenUp()
  }
}
