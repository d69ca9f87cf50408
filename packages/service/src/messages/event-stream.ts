import type { Event } from '@pair/events'
import { transient } from '../database/faults.js'
import type { Handle } from './consumer.js'

interface Offered<Data> {
  event: Event<Data>
  isTaken: boolean
  resolve: () => void
  reject: (error: unknown) => void
}

type Result<Data> = IteratorResult<Event<Data>, undefined>

/**
 * The events of a topic as an async iterable: `for await (const event of app.stream(topic))`. Asking for the next event commits
 * the previous one. A loop that ends by `break` or an error releases its event uncommitted: the next loop over the stream gets
 * it, or the next process. There is no inbox, so an event that is delivered twice is yielded twice.
 */
export class EventStream<Data> implements AsyncIterableIterator<Event<Data>, undefined> {
  #offered: Offered<Data> | undefined
  #waiting: Array<(result: Result<Data>) => void> = []
  #hasEnded = false

  /** The handler of the underlying consumer, which must have a concurrency of 1. */
  readonly handle: Handle<Data> = async (event, { signal }) => {
    if (this.#offered) throw transient(new Error('the previous event of the stream is not finished'))
    let onAbort = () => {}
    try {
      await new Promise<void>((resolve, reject) => {
        const offered = this.#offered = { event, isTaken: false, resolve, reject }
        // An event that the loop has taken may still be finished.
        onAbort = () => { if (!offered.isTaken) this.#giveBack(signal.reason) }
        signal.addEventListener('abort', onAbort)
        const waiting = this.#waiting.shift()
        if (waiting) this.#take(offered, waiting)
      })
    } finally {
      signal.removeEventListener('abort', onAbort) // the signal outlives this event
    }
  }

  async next (): Promise<Result<Data>> {
    if (this.#offered?.isTaken) {
      this.#offered.resolve()
      this.#offered = undefined
    }
    return await new Promise(resolve => {
      if (this.#hasEnded) resolve({ done: true, value: undefined })
      else if (this.#offered) this.#take(this.#offered, resolve)
      else this.#waiting.push(resolve)
    })
  }

  async return (): Promise<Result<Data>> {
    if (this.#offered?.isTaken) this.#giveBack(transient(new Error('the loop over the stream was left')))
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator] (): this {
    return this
  }

  /** Ends the stream: each loop ends when it asks for the next event. */
  end (): void {
    this.#hasEnded = true
    for (const resolve of this.#waiting.splice(0)) resolve({ done: true, value: undefined })
  }

  #take (offered: Offered<Data>, resolve: (result: Result<Data>) => void): void {
    offered.isTaken = true
    resolve({ done: false, value: offered.event })
  }

  #giveBack (reason: unknown): void {
    this.#offered?.reject(reason)
    this.#offered = undefined
  }
}
