import type { KafkaError } from './errors.js'
import { throttleRepeats } from './handle.js'
import { loggerOf } from './logger.js'
import type { ClientOptions } from './client-options.js'

const refusals = new Set([
  'ERR_TOPIC_AUTHORIZATION_FAILED', 'ERR_GROUP_AUTHORIZATION_FAILED', 'ERR_CLUSTER_AUTHORIZATION_FAILED', 'ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED'
])

/** Whether the broker refuses a request for lack of a right, which an operator has to grant. */
export const isRefusal = ({ codeName }: KafkaError) => refusals.has(codeName)

/** Refusals of the broker: reported as a state, and logged at most once in 10 s. */
export class Refusals {
  readonly #options: ClientOptions
  readonly #isNew = throttleRepeats()
  readonly #refused = new Map<string, { error: KafkaError, name: string }>()

  constructor (options: ClientOptions) {
    this.#options = options
  }

  /**
   * @param what the refused topic, group or cluster
   * @param name its name in the log line
   */
  refused (what: string, error: KafkaError, name = what): void {
    const isKnown = this.#refused.has(what)
    this.#refused.set(what, { error, name })
    this.remind()
    if (!isKnown) this.#options.onState?.({ type: 'refused', error })
  }

  /** Logs the current refusals, each at most once in 10 s. */
  remind (): void {
    const logger = loggerOf(this.#options)
    for (const { error, name } of this.#refused.values()) if (this.#isNew(error, name)) logger.warn({ err: error, refused: name }, 'kafka: refused, a right is missing')
  }

  has (what: string): boolean {
    return this.#refused.has(what)
  }

  /** To be called for topics, groups or the cluster when a request about them succeeded. */
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
