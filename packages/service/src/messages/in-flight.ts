import type { Message } from '@pair/kafka'
import { shutdown } from '../limits.js'

const stuckAfterMs = 60_000

interface Entry { message: Message, sinceMs: number, index: number }

/**
 * The messages in flight, unordered. An array, because an old Map's internal table keeps every message that it ever held
 * alive until the next full garbage collection.
 */
export class InFlight {
  readonly #all: Entry[] = []
  #onEmpty = () => {}

  add (message: Message, done: Promise<unknown>): void {
    const entry = { message, sinceMs: performance.now(), index: this.#all.length }
    this.#all.push(entry)
    done.then(() => this.#remove(entry))
  }

  /** `topic[partition]@offset` of the oldest message, if it has been in flight for over 60 s. */
  get stuck (): string | undefined {
    const tooOld = performance.now() - stuckAfterMs
    const [oldest] = this.#all.filter(({ sinceMs }) => sinceMs < tooOld).sort((one, other) => one.sinceMs - other.sinceMs)
    return oldest && `${oldest.message.topic}[${oldest.message.partition}]@${oldest.message.offset}`
  }

  /** Resolves when no message is in flight, after 2.2 s at the latest. */
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

  #remove ({ index }: Entry): void {
    const last = this.#all.pop()
    if (last && last.index !== index) {
      this.#all[index] = last
      last.index = index
    }
    if (this.#all.length === 0) this.#onEmpty()
  }
}
