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
  inFlight = 0
  #fetched: Message[] = []
  #handedOut: Entry[] = []
  #byOffset = new Map<number, Entry>()
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
    const oldest = this.#handedOut[0]?.offset
    const newest = this.#fetched.at(-1)?.offset ?? this.#handedOut.at(-1)?.offset
    if (oldest === undefined || newest === undefined) return false
    return newest + 1 - oldest >= (this.paused ? windowSize / 2 : windowSize)
  }

  push (message: Message): void {
    this.#fetched.push(message)
  }

  /** Forgets what was not handed out. */
  drop (): void {
    this.#fetched = []
  }

  /** The next message to hand out, if the window allows one. */
  take (): Message | undefined {
    const next = this.#fetched[0]
    const oldest = this.#handedOut[0]?.offset
    if (!next || (oldest !== undefined && next.offset - oldest >= windowSize)) return undefined
    this.#fetched.shift()
    this.#forgetFrom(next.offset)
    const entry: Entry = { offset: next.offset, state: 'in flight' }
    this.#handedOut.push(entry)
    this.#byOffset.set(next.offset, entry)
    this.inFlight++
    return next
  }

  /** Marks a message as committed. False where that offset is not in flight here. */
  commit (offset: number): boolean {
    const entry = this.#byOffset.get(offset)
    if (!entry || entry.state === 'done') return false
    if (entry.state === 'in flight') this.inFlight--
    entry.state = 'done'
    for (let first = this.#handedOut[0]; first?.state === 'done'; first = this.#handedOut[0]) {
      this.#handedOut.shift()
      this.#byOffset.delete(first.offset)
      this.#watermark = first.offset + 1
    }
    return true
  }

  /** Gives a message up: not waited for, but never passed by the watermark. */
  release (offset: number): void {
    const entry = this.#byOffset.get(offset)
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
    for (let last = this.#handedOut.at(-1); last && last.offset >= offset; last = this.#handedOut.at(-1)) {
      if (last.state === 'in flight') this.inFlight--
      this.#handedOut.pop()
      this.#byOffset.delete(last.offset)
    }
  }
}
