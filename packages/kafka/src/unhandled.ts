import { loggerOf } from './logger.js'
import type { ClientOptions } from './types.js'

/** A handler that takes longer for its first message is told of, too, until that is committed. */
export const unhandledAfterMs = 10_000

/** Topics of which messages were handed out, and none was ever committed or released: as a rule they have no listener. */
export class UnhandledTopics {
  readonly #options: ClientOptions
  #told: string[] = []

  constructor (options: ClientOptions) {
    this.#options = options
  }

  /** To be called every second with what they are. */
  check (topics: string[]): void {
    if (topics.join() === this.#told.join()) return
    const { onState } = this.#options
    const logger = loggerOf(this.#options)
    for (const topic of topics.filter(topic => !this.#told.includes(topic))) {
      logger.warn({ topic }, 'kafka: no message of this topic has been committed yet; does it have a listener?')
    }
    this.#told = topics
    onState?.({ type: 'unhandled', topics })
  }
}
