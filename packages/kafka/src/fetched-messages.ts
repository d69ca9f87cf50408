import Denque from 'denque'
import { pollLimit } from './native-batch.js'
import type { Message } from './types.js'

/** The most that all partitions together hold fetched and not handed out: 1,000 messages (two polls) or 8 MiB (four polls). */
export const fetchedLimit = { messages: 2 * pollLimit.records, bytes: 4 * pollLimit.bytes }

/** Messages of one partition that were fetched and not handed out, by offset. */
export class FetchedMessages {
  // Rings drop what leaves them. Arrays and maps copy themselves as they grow, and an old copy keeps its messages, with their bytes,
  // alive until the next full collection.
  readonly #messages = new Denque<Message>()
  readonly #sizes = new Denque<number>()
  #bytes = 0

  get length (): number {
    return this.#messages.length
  }

  /** The messages held, as a part of what all partitions may hold. */
  get load (): number {
    return Math.max(this.#messages.length / fetchedLimit.messages, this.#bytes / fetchedLimit.bytes)
  }

  get first (): Message | undefined {
    return this.#messages.peekFront()
  }

  get newestOffset (): number | undefined {
    return this.#messages.peekBack()?.offset
  }

  push (message: Message, bytes: number): void {
    this.#bytes += bytes
    this.#sizes.push(bytes)
    this.#messages.push(message)
  }

  /** Removes the first message. Returns its bytes. */
  shift (): number {
    this.#messages.shift()
    const bytes = this.#sizes.shift() ?? 0
    this.#bytes -= bytes
    return bytes
  }

  clear (): void {
    this.#messages.clear()
    this.#sizes.clear()
    this.#bytes = 0
  }
}
