import Denque from 'denque'
import { FetchedMessages } from './fetched-messages.js'
import type { Message } from './types.js'

/** How far a partition may get ahead of its oldest uncommitted message, in offsets. */
const windowSize = 10_000

/** Bytes of a message in flight for each permit. */
const bytesPerPermit = 128 * 1024

interface Entry { offset: number, permits: number, state: 'in flight' | 'done' | 'released' }

/**
 * One assigned partition: its fetched messages, and those handed out from the oldest uncommitted one on. Only the watermark, the
 * end of the committed messages without a gap, is ever committed to the broker.
 */
export class Partition {
  readonly topic: string
  readonly partition: number
  readonly #isCumulative: boolean
  paused = false
  isLeaving = false
  inFlight = 0
  /** Permits taken by messages in flight: see `Partitions`. */
  permits = 0
  /** The next offset to read, if anything was read since the assignment: a message, the end of the log, or an error. */
  next: number | undefined
  /** When the first message was handed out, if none was committed or released since the assignment. */
  unansweredSince: number | undefined
  readonly #fetched = new FetchedMessages()
  /** By offset. */
  readonly #handedOut = new Denque<Entry>()
  #watermark: number | undefined
  /** End of the log, if everything before it was fetched. */
  #end: number | undefined
  #isAnswered = false
  #hasHandedOut = false
  #stored: number | undefined

  /** @param isCumulative whether a commit includes all messages handed out before, as in Kafka */
  constructor (topic: string, partition: number, isCumulative = false) {
    this.topic = topic
    this.partition = partition
    this.#isCumulative = isCumulative
  }

  /** Fetched messages, as a part of what all partitions may hold. */
  get load (): number {
    return this.#fetched.load
  }

  /** Whether a fetched message could be handed out, given permits. */
  get hasFetched (): boolean {
    return this.#fetched.length > 0
  }

  /** Whether the next offset lies outside the window. A paused partition resumes at half the window. */
  get isFarAhead (): boolean {
    const oldest = this.#handedOut.peekFront()?.offset
    const newest = this.#fetched.newestOffset ?? this.#handedOut.peekBack()?.offset
    if (oldest === undefined || newest === undefined) return false
    return newest + 1 - oldest >= (this.paused ? windowSize / 2 : windowSize)
  }

  /** @param bytes of key, value and headers */
  push (message: Message, bytes: number): void {
    if (this.#end !== undefined && message.offset < this.#end) this.#end = undefined // the log went back
    this.next = message.offset + 1
    this.#fetched.push(message, bytes)
  }

  /** Sets the watermark of a partition without commits: nothing before this offset will be read. */
  startAt (offset: number): void {
    this.#watermark ??= offset
  }

  /** To be called with the end offset of the log, when all messages before it were pushed. */
  reachedEnd (offset: number): void {
    if (this.isLeaving) return
    this.#end = offset
    this.next = offset
  }

  /** To be called with the offset of what could not be read; negative where it is unknown. */
  failedAt (offset: number): void {
    if (offset >= 0) this.next ??= offset
  }

  /** Prepares for giving the partition up: drops fetched messages and takes no more. */
  leave (): void {
    this.isLeaving = true
    if (this.#fetched.length > 0) this.#end = undefined
    this.#fetched.clear()
  }

  /** The next message to hand out, if the window allows one. */
  take (): Message | undefined {
    const next = this.#fetched.first
    const oldest = this.#handedOut.peekFront()?.offset
    if (!next || (oldest !== undefined && next.offset - oldest >= windowSize)) return undefined
    const bytes = this.#fetched.shift()
    this.#forgetFrom(next.offset)
    const permits = Math.max(1, Math.ceil(bytes / bytesPerPermit))
    this.#handedOut.push({ offset: next.offset, permits, state: 'in flight' })
    this.inFlight++
    this.permits += permits
    if (!this.#isAnswered) this.unansweredSince ??= performance.now()
    if (this.#hasHandedOut) return next
    this.#hasHandedOut = true
    return Object.assign(next, { isFirst: true } as const)
  }

  /** Marks a message as committed. Returns false where that offset is not in flight. */
  commit (offset: number): boolean {
    const entry = this.#find(offset)
    if (!entry || entry.state === 'done') return false
    if (entry.state === 'in flight') this.#ended(entry)
    entry.state = 'done'
    const counts = (first: Entry) => first.state === 'done' || (this.#isCumulative && first.state === 'in flight' && first.offset < offset)
    for (let first = this.#handedOut.peekFront(); first && counts(first); first = this.#handedOut.peekFront()) {
      if (first.state === 'in flight') this.#ended(first)
      this.#handedOut.shift()
      this.#watermark = first.offset + 1
    }
    return true
  }

  /** Gives a message up: it is not waited for, and the watermark never passes it. */
  release (offset: number): void {
    const entry = this.#find(offset)
    if (entry?.state !== 'in flight') return
    entry.state = 'released'
    this.#ended(entry)
  }

  /** The watermark, once after each move. `isFirst` where the broker's may be higher, from before the log went back. */
  takeWatermark (): { offset: number, isFirst: boolean } | undefined {
    // The last offsets of a log may hold no message: transaction markers, and gaps of compaction.
    const isEverythingDone = this.#handedOut.length === 0 && this.#fetched.length === 0
    if (isEverythingDone && this.#end !== undefined && this.#end > (this.#watermark ?? 0)) this.#watermark = this.#end
    const offset = this.#watermark
    if (offset === undefined || offset === this.#stored) return undefined
    const isFirst = this.#stored === undefined || offset < this.#stored
    this.#stored = offset
    return { offset, isFirst }
  }

  /** Forgets messages from this offset on: the log went back (truncated, or the topic recreated), so they are other records now. */
  #forgetFrom (offset: number): void {
    for (let last = this.#handedOut.peekBack(); last && last.offset >= offset; last = this.#handedOut.peekBack()) {
      if (last.state === 'in flight') this.#ended(last)
      this.#handedOut.pop()
    }
  }

  #ended ({ permits }: Entry): void {
    this.inFlight--
    this.permits -= permits
    this.#isAnswered = true
    this.unansweredSince = undefined
  }

  #find (offset: number): Entry | undefined {
    let [low, high] = [0, this.#handedOut.length]
    while (low < high) {
      const middle = (low + high) >> 1
      const entry = this.#handedOut.peekAt(middle)
      if (entry === undefined || entry.offset === offset) return entry
      if (entry.offset < offset) low = middle + 1
      else high = middle
    }
    return undefined
  }
}
