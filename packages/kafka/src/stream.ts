import { setImmediate } from 'node:timers/promises'
import type { Message } from './types.js'

/** The most messages handed out in one turn of the event loop, so that a backlog does not delay requests. */
const perTurn = 100

type Result = IteratorResult<Message, undefined>

/** Async iterator through which the plugin takes messages. Ends with `close()`, or with the error passed to `fail`. */
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

  /** Releases the latest message: a caller that leaves the loop, as the plugin does on stop, does not handle it. */
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

  /** Like `destroy` of a Node stream: with an error, the iteration throws it. */
  destroy (error?: Error): void {
    if (error === undefined) this.close().catch(() => {})
    else this.fail(error)
  }

  fail (error: Error): void {
    if (this.#isClosed) return
    this.#error = error
    this.wake()
  }

  /** To be called when there may be a message to take. */
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
