import { loggerOf } from './logger.js'
import type { ClientOptions } from './client-options.js'

/** In ms. A handler that takes longer for its first message is reported too, until it has committed it. */
export const unhandledAfterMs = 10_000

/** Reports topics with messages in flight of which none was ever committed or released: usually they have no listener. */
export class UnhandledTopics {
  readonly #options: ClientOptions
  #reported: string[] = []

  constructor (options: ClientOptions) {
    this.#options = options
  }

  /** To be called every second with the current topics. */
  check (topics: string[]): void {
    if (topics.join() === this.#reported.join()) return
    const { onState } = this.#options
    const logger = loggerOf(this.#options)
    for (const topic of topics.filter(topic => !this.#reported.includes(topic))) {
      logger.warn({ topic }, 'kafka: no message of this topic has been committed yet; does it have a listener?')
    }
    this.#reported = topics
    onState?.({ type: 'unhandled', topics })
  }
}
