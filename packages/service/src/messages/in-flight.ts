import type { Message } from '@pair/kafka'
import { shutdown } from '../limits.js'

const stuckAfterMs = 60_000

interface Entry { message: Message, sinceMs: number, place: number }

/**
 * The messages that are on their way, in no order. An array and no Map, whose tables, once they are old, keep every message
 * that they ever held alive until the next full collection.
 */
export class InFlight {
  readonly #all: Entry[] = []
  #onEmpty = () => {}

  add (message: Message, done: Promise<unknown>): void {
    const entry = { message, sinceMs: performance.now(), place: this.#all.length }
    this.#all.push(entry)
    done.then(() => this.#remove(entry))
  }

  /** `topic[partition]@offset` of the oldest message, if it has been on its way for over 60 s. */
  get stuck (): string | undefined {
    const tooOld = performance.now() - stuckAfterMs
    const [oldest] = this.#all.filter(({ sinceMs }) => sinceMs < tooOld).sort((one, other) => one.sinceMs - other.sinceMs)
    return oldest && `${oldest.message.topic}[${oldest.message.partition}]@${oldest.message.offset}`
  }

  /** Waits until none is left, at most 2.2 s. */
  async settled (): Promise<void> {
    if (this.#all.length === 0) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, shutdown.messagesMs)
      this.#onEmpty = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #remove ({ place }: Entry): void {
    const last = this.#all.pop()
    if (last && last.place !== place) {
      this.#all[place] = last
      last.place = place
    }
    if (this.#all.length === 0) this.#onEmpty()
  }
}
