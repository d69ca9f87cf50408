import Denque from 'denque'
import type { Message } from './types.js'

/** How far past its oldest uncommitted message a partition may go, in offsets. */
const windowSize = 10_000

/** Bytes of a message in flight that one permit stands for. */
const bytesPerPermit = 128 * 1024
/** What may be read and not handed out yet, over all partitions: messages for two reads, and no more bytes than this. */
export const fetchedLimit = { messages: 1000, bytes: 8 * 1024 * 1024 }

interface Entry { offset: number, permits: number, state: 'in flight' | 'done' | 'released' }

/**
 * One assigned partition: what was fetched and not handed out, and what was handed out from the oldest uncommitted
 * message on. Only the watermark, the end of the committed messages without a gap, is ever given to the broker.
 */
export class Partition {
  readonly topic: string
  readonly partition: number
  readonly #isCumulative: boolean
  paused = false
  isLeaving = false
  inFlight = 0
  /** Taken by messages in flight: see `Partitions`. */
  permits = 0
  /** The offset to read from, if anything was read since its assignment: a message, the end of its log, or an error in between. */
  next: number | undefined
  /** When the first message was handed out, if none of this partition was committed or released since its assignment. */
  unansweredSince: number | undefined
  // Rings, which forget what has left them. Arrays and maps copy themselves as they are filled, and an old copy keeps
  // what was in it alive until the next full collection: each message, with its bytes.
  readonly #fetched = new Denque<Message>()
  /** The bytes of each of them, and of all. */
  readonly #fetchedSizes = new Denque<number>()
  #fetchedBytes = 0
  /** By offset. */
  readonly #handedOut = new Denque<Entry>()
  #watermark: number | undefined
  /** The end of the log, all of which below it was fetched. */
  #end: number | undefined
  #isAnswered = false
  #hasHandedOut = false
  #stored: number | undefined

  /** @param isCumulative whether a commit counts for what was handed out before it, as in Kafka */
  constructor (topic: string, partition: number, isCumulative = false) {
    this.topic = topic
    this.partition = partition
    this.#isCumulative = isCumulative
  }

  /** What it holds that is not handed out, as a part of what all partitions may hold. */
  get load (): number {
    return Math.max(this.#fetched.length / fetchedLimit.messages, this.#fetchedBytes / fetchedLimit.bytes)
  }

  /** Whether the next offset lies outside the window; it closes at its size and opens again at half of it. */
  get isFarAhead (): boolean {
    const oldest = this.#handedOut.peekFront()?.offset
    const newest = this.#fetched.peekBack()?.offset ?? this.#handedOut.peekBack()?.offset
    if (oldest === undefined || newest === undefined) return false
    return newest + 1 - oldest >= (this.paused ? windowSize / 2 : windowSize)
  }

  /** @param bytes of its key, value and headers */
  push (message: Message, bytes: number): void {
    if (this.#end !== undefined && message.offset < this.#end) this.#end = undefined // the log went back
    this.next = message.offset + 1
    this.#fetchedBytes += bytes
    this.#fetchedSizes.push(bytes)
    this.#fetched.push(message)
  }

  /** To be called with the offset that follows the log's last one, when all messages before it were pushed. */
  reachedEnd (offset: number): void {
    if (this.isLeaving) return
    this.#end = offset
    this.next = offset
  }

  /** To be called with the offset of what could not be read, negative where it is not known. */
  failedAt (offset: number): void {
    if (offset >= 0) this.next ??= offset
  }

  /** Is to be given up: forgets what was not handed out, and takes nothing more. */
  leave (): void {
    this.isLeaving = true
    if (this.#fetched.length > 0) this.#end = undefined
    this.#fetched.clear()
    this.#fetchedSizes.clear()
    this.#fetchedBytes = 0
  }

  /** The next message to hand out, if the window allows one. */
  take (): Message | undefined {
    const next = this.#fetched.peekFront()
    const oldest = this.#handedOut.peekFront()?.offset
    if (!next || (oldest !== undefined && next.offset - oldest >= windowSize)) return undefined
    this.#fetched.shift()
    const bytes = this.#fetchedSizes.shift() ?? 0
    this.#fetchedBytes -= bytes
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

  /** Whether something could be handed out, were there room. */
  get hasFetched (): boolean {
    return this.#fetched.length > 0
  }

  /** Marks a message as committed. False where that offset is not in flight here. */
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

  /** Gives a message up: not waited for, but never passed by the watermark. */
  release (offset: number): void {
    const entry = this.#find(offset)
    if (entry?.state !== 'in flight') return
    entry.state = 'released'
    this.#ended(entry)
  }

  /** The watermark, once each time it has moved; `isFirst` where the broker's may be higher, from before the log went back. */
  takeWatermark (): { offset: number, isFirst: boolean } | undefined {
    // The last offsets of a log need not be messages: what ends a transaction is none, and compaction leaves gaps.
    const isEverythingDone = this.#handedOut.length === 0 && this.#fetched.length === 0
    if (isEverythingDone && this.#end !== undefined && this.#end > (this.#watermark ?? 0)) this.#watermark = this.#end
    const offset = this.#watermark
    if (offset === undefined || offset === this.#stored) return undefined
    const isFirst = this.#stored === undefined || offset < this.#stored
    this.#stored = offset
    return { offset, isFirst }
  }

  /** The log went back (truncated, or the topic made anew): what was handed out from there on is another record now. */
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
