import type { KafkaError } from './errors.js'
import { throttleRepeats } from './handle.js'
import { loggerOf } from './logger.js'
import type { ClientOptions } from './types.js'

const refusals = new Set([
  'ERR_TOPIC_AUTHORIZATION_FAILED', 'ERR_GROUP_AUTHORIZATION_FAILED', 'ERR_CLUSTER_AUTHORIZATION_FAILED', 'ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED'
])

/** Whether an operator has to give a right: the broker answers, and refuses. */
export const isRefusal = ({ codeName }: KafkaError) => refusals.has(codeName)

/** What the broker refuses to this client: told as state, and in a line that repeats every 10 s at most. */
export class Refusals {
  readonly #options: ClientOptions
  readonly #isNews = throttleRepeats()
  readonly #refused = new Map<string, { error: KafkaError, name: string }>()

  constructor (options: ClientOptions) {
    this.#options = options
  }

  /**
   * @param what a topic; a group or the cluster where that is refused as a whole
   * @param name what the line calls it
   */
  refused (what: string, error: KafkaError, name = what): void {
    const isKnown = this.#refused.has(what)
    this.#refused.set(what, { error, name })
    this.remind()
    if (!isKnown) this.#options.onState?.({ type: 'refused', error })
  }

  /** Tells once more what is refused, unless it was told less than 10 s ago. */
  remind (): void {
    const logger = loggerOf(this.#options)
    for (const { error, name } of this.#refused.values()) if (this.#isNews(error, name)) logger.warn({ err: error, refused: name }, 'kafka: refused, a right is missing')
  }

  has (what: string): boolean {
    return this.#refused.has(what)
  }

  /** To be told of whatever went through. */
  allowed (...what: string[]): void {
    if (this.#refused.size === 0) return
    const { onState } = this.#options
    const logger = loggerOf(this.#options)
    if (what.filter(one => this.#refused.delete(one)).length === 0) return
    const [next] = this.#refused.values()
    if (next === undefined) logger.info({}, 'kafka: no longer refused')
    onState?.(next === undefined ? { type: 'allowed' } : { type: 'refused', error: next.error })
  }
}
