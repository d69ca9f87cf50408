import type { Message } from 'shared-kafka'

const stuckAfterMs = 60_000
const settleMs = 2500

/** The messages that are on their way, oldest first. */
export class InFlight {
  readonly #messages = new Map<Message, { sinceMs: number, done: Promise<void> }>()

  add (message: Message, done: Promise<void>): void {
    this.#messages.set(message, { sinceMs: performance.now(), done })
    done.finally(() => this.#messages.delete(message))
  }

  /** `topic[partition]@offset` of the oldest message, if it has been on its way for over 60 s. */
  get stuck (): string | undefined {
    const [oldest] = this.#messages
    if (oldest === undefined) return undefined
    const [{ topic, partition, offset }, { sinceMs }] = oldest
    return performance.now() - sinceMs > stuckAfterMs ? `${topic}[${partition}]@${offset}` : undefined
  }

  /** Waits until none is left, at most 2.5 s. */
  async settled (): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const tooLong = new Promise<void>(resolve => { timer = setTimeout(resolve, settleMs) })
    await Promise.race([Promise.allSettled([...this.#messages.values()].map(({ done }) => done)), tooLong])
    clearTimeout(timer)
  }
}
