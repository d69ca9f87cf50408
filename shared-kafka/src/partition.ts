import Denque from 'denque'
import type { Message } from './types.js'

/** How far past its oldest uncommitted message a partition may go, in offsets. */
const windowSize = 10_000

interface Entry { offset: number, state: 'in flight' | 'done' | 'released' }

/**
 * One assigned partition: what was fetched and not handed out, and what was handed out from the oldest uncommitted
 * message on. Only the watermark, the end of the committed messages without a gap, is ever given to the broker.
 */
export class Partition {
  readonly topic: string
  readonly partition: number
  paused = false
  isLeaving = false
  inFlight = 0
  // Rings, which forget what has left them. Arrays and maps copy themselves as they are filled, and an old copy keeps
  // what was in it alive until the next full collection: each message, with its bytes.
  readonly #fetched = new Denque<Message>()
  /** By offset. */
  readonly #handedOut = new Denque<Entry>()
  #watermark: number | undefined
  #stored: number | undefined

  constructor (topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  get fetched (): number {
    return this.#fetched.length
  }

  /** Whether the next offset lies outside the window; it closes at its size and opens again at half of it. */
  get isFarAhead (): boolean {
    const oldest = this.#handedOut.peekFront()?.offset
    const newest = this.#fetched.peekBack()?.offset ?? this.#handedOut.peekBack()?.offset
    if (oldest === undefined || newest === undefined) return false
    return newest + 1 - oldest >= (this.paused ? windowSize / 2 : windowSize)
  }

  push (message: Message): void {
    this.#fetched.push(message)
  }

  /** Is to be given up: forgets what was not handed out, and takes nothing more. */
  leave (): void {
    this.isLeaving = true
    this.#fetched.clear()
  }

  /** The next message to hand out, if the window allows one. */
  take (): Message | undefined {
    const next = this.#fetched.peekFront()
    const oldest = this.#handedOut.peekFront()?.offset
    if (!next || (oldest !== undefined && next.offset - oldest >= windowSize)) return undefined
    this.#fetched.shift()
    this.#forgetFrom(next.offset)
    this.#handedOut.push({ offset: next.offset, state: 'in flight' })
    this.inFlight++
    return next
  }

  /** Marks a message as committed. False where that offset is not in flight here. */
  commit (offset: number): boolean {
    const entry = this.#find(offset)
    if (!entry || entry.state === 'done') return false
    if (entry.state === 'in flight') this.inFlight--
    entry.state = 'done'
    for (let first = this.#handedOut.peekFront(); first?.state === 'done'; first = this.#handedOut.peekFront()) {
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
    this.inFlight--
  }

  /** The watermark, once each time it has moved; `isFirst` where the broker's may be higher, from before the log went back. */
  takeWatermark (): { offset: number, isFirst: boolean } | undefined {
    const offset = this.#watermark
    if (offset === undefined || offset === this.#stored) return undefined
    const isFirst = this.#stored === undefined || offset < this.#stored
    this.#stored = offset
    return { offset, isFirst }
  }

  /** The log went back (truncated, or the topic made anew): what was handed out from there on is another record now. */
  #forgetFrom (offset: number): void {
    for (let last = this.#handedOut.peekBack(); last && last.offset >= offset; last = this.#handedOut.peekBack()) {
      if (last.state === 'in flight') this.inFlight--
      this.#handedOut.pop()
    }
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
