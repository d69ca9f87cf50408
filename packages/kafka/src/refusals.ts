import { KafkaError } from './errors.js'
import { throttleRepeats, noopLogger } from './handle.js'
import type { ClientOptions } from './types.js'

const refusals = new Set([
  'ERR_TOPIC_AUTHORIZATION_FAILED', 'ERR_GROUP_AUTHORIZATION_FAILED', 'ERR_CLUSTER_AUTHORIZATION_FAILED', 'ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED'
])

/** Whether an operator has to give a right: the broker answers, and refuses. */
export const isRefusal = ({ codeName }: KafkaError) => refusals.has(codeName)

/** As state: its code's own text. That of a read begins with the request that failed, which a line tells. */
const asState = ({ code }: KafkaError) => ({ type: 'refused', error: KafkaError.ofCode(code) }) as const

/** What the broker refuses to this client: told as state, and in a line that repeats every 10 s at most. */
export class Refusals {
  readonly #options: ClientOptions
  readonly #isNews = throttleRepeats()
  readonly #refused = new Map<string, KafkaError>()

  constructor (options: ClientOptions) {
    this.#options = options
  }

  /** @param what a topic; a group or the cluster where that is refused as a whole */
  refused (what: string, error: KafkaError): void {
    const isKnown = this.#refused.has(what)
    this.#refused.set(what, error)
    this.remind()
    if (!isKnown) this.#options.onState?.(asState(error))
  }

  /** Tells once more what is refused, unless it was told less than 10 s ago. */
  remind (): void {
    const { logger = noopLogger } = this.#options
    for (const [refused, error] of this.#refused) if (this.#isNews(error)) logger.warn({ err: error, refused }, 'kafka: refused, a right is missing')
  }

  has (what: string): boolean {
    return this.#refused.has(what)
  }

  /** To be told of whatever went through. */
  allowed (...what: string[]): void {
    if (this.#refused.size === 0) return
    const { logger = noopLogger, onState } = this.#options
    if (what.filter(one => this.#refused.delete(one)).length === 0) return
    const [next] = this.#refused.values()
    if (next === undefined) logger.info({}, 'kafka: no longer refused')
    onState?.(next === undefined ? { type: 'allowed' } : asState(next))
  }
}
