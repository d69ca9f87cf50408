import { setImmediate } from 'node:timers/promises'
import type { Message } from './types.js'

/** Messages handed out in one turn of the event loop at most: a backlog must not keep requests waiting. */
const perTurn = 100

type Result = IteratorResult<Message, undefined>

/** The async iteration through which the plugin takes messages. Ends with `close()`, or with an error given to `fail`. */
export class MessageStream implements AsyncIterableIterator<Message, undefined> {
  readonly #take: () => Message | undefined
  readonly #onClose: () => void
  #waiting: Array<() => void> = []
  #isClosed = false
  #error: Error | undefined
  #last: Message | undefined
  #handedOut = 0

  constructor (take: () => Message | undefined, onClose: () => void) {
    this.#take = take
    this.#onClose = onClose
  }

  [Symbol.asyncIterator] (): this {
    return this
  }

  async next (): Promise<Result> {
    if (++this.#handedOut % perTurn === 0) await setImmediate()
    for (;;) {
      if (this.#error) {
        const error = this.#error
        await this.close()
        throw error
      }
      if (this.#isClosed) return { done: true, value: undefined }
      const message = this.#take()
      if (message) {
        this.#last = message
        return { done: false, value: message }
      }
      await this.#fetched()
    }
  }

  /** The caller left the loop with a message in hand, as the plugin does on stop: it will not be handled. */
  async return (): Promise<Result> {
    this.#last?.release()
    await this.close()
    return { done: true, value: undefined }
  }

  async close (): Promise<void> {
    this.#isClosed = true
    this.#error = undefined
    this.#onClose()
    this.wake()
  }

  fail (error: Error): void {
    if (this.#isClosed) return
    this.#error = error
    this.wake()
  }

  /** To be called when there may be something to take. */
  wake (): void {
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }

  async #fetched (): Promise<void> {
    await new Promise<void>(resolve => this.#waiting.push(resolve))
  }
}
