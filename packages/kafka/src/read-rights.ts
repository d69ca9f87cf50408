import { KafkaError } from './errors.js'
import { isRefusal, Refusals } from './refusals.js'
import type { ClientOptions, Statistics } from './types.js'

/** So many statistics in a row, one a second, in which nothing is refused: one of them may be older than a refusal. */
const allowedAfter = 2
const askAgainAfter = 5

/** What librdkafka puts where a partition's last fetch failed. */
const failedFetch = -1

/** Whether a reader may read. librdkafka tells of a refusal once; when it is over shows in its statistics alone. */
export class ReadRights {
  readonly #refusals: Refusals
  readonly #topics: string
  readonly #group: string | undefined
  readonly #hiddenTopics: () => Promise<string[]>
  #secondsAllowed = 0

  /**
   * @param names what a line calls its topics, and its group, if it is in one
   * @param hiddenTopics which of its topics the broker does not show to this client
   */
  constructor (options: ClientOptions, names: { topics: string, group?: string }, hiddenTopics: () => Promise<string[]>) {
    this.#refusals = new Refusals(options)
    this.#topics = names.topics
    this.#group = names.group
    this.#hiddenTopics = hiddenTopics
  }

  /**
   * @param topic of which it is said
   * @returns whether the error is a missing right
   */
  report (error: KafkaError, topic?: string): boolean {
    if (!isRefusal(error)) return false
    const group = error.codeName === 'ERR_GROUP_AUTHORIZATION_FAILED' ? this.#group : undefined
    if (group === undefined) this.#secondsAllowed = 0
    // Without the request that failed, with which librdkafka's text begins.
    this.#refusals.refused(group ?? this.#topics, KafkaError.ofCode(error.code), group ?? topic)
    return true
  }

  /** To be called every second. */
  async check ({ cgrp, topics: known }: Statistics): Promise<void> {
    const isMember = this.#group === undefined || cgrp?.join_state === 'steady'
    if (isMember && this.#group !== undefined) this.#refusals.allowed(this.#group)
    this.#refusals.remind()
    if (!this.#refusals.has(this.#topics)) return
    const partitions = Object.values(known).flatMap(({ partitions }) => Object.values(partitions))
    const isAllowed = isMember && !partitions.some(({ fetch_state: state, hi_offset: end }) => state === 'active' && end === failedFetch)
    this.#secondsAllowed = isAllowed ? this.#secondsAllowed + 1 : 0
    // A topic that is not shown is left out of the subscription, and the others are read.
    if (this.#secondsAllowed % askAgainAfter !== allowedAfter) return
    const hidden = await this.#hiddenTopics().catch(() => [this.#topics])
    if (hidden.length === 0 && this.#secondsAllowed >= allowedAfter) this.#refusals.allowed(this.#topics)
  }
}
