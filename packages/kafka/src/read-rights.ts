import { KafkaError } from './errors.js'
import { isRefusal, Refusals } from './refusals.js'
import type { ClientOptions } from './client-options.js'
import type { Statistics } from './types.js'

/** After this many statistics events (one a second) without a refusal, reading is allowed again: one event may be older than a refusal. */
const allowedAfter = 2
const recheckAfter = 5

/** librdkafka's `hi_offset` of a partition whose latest fetch failed. */
const failedFetch = -1

/** Reports missing rights of a reader. librdkafka reports a refusal once; only its statistics show that the refusal is over. */
export class ReadRights {
  readonly #refusals: Refusals
  readonly #topics: string
  readonly #group: string | undefined
  readonly #hiddenTopics: () => Promise<string[]>
  #secondsAllowed = 0

  /**
   * @param names names for log lines: of the topics, and of the group, if any
   * @param hiddenTopics subscribed topics that the broker does not list for this client
   */
  constructor (options: ClientOptions, names: { topics: string, group?: string }, hiddenTopics: () => Promise<string[]>) {
    this.#refusals = new Refusals(options)
    this.#topics = names.topics
    this.#group = names.group
    this.#hiddenTopics = hiddenTopics
  }

  /**
   * @param topic that the error concerns
   * @returns whether the error is a missing right
   */
  report (error: KafkaError, topic?: string): boolean {
    if (!isRefusal(error)) return false
    const group = error.codeName === 'ERR_GROUP_AUTHORIZATION_FAILED' ? this.#group : undefined
    if (group === undefined) this.#secondsAllowed = 0
    // librdkafka's text of the code alone: the text of the error begins with the failed request.
    this.#refusals.refused(group ?? this.#topics, KafkaError.ofCode(error.code), group ?? topic)
    return true
  }

  /** To be called with each statistics event. */
  async check ({ cgrp, topics: known }: Statistics): Promise<void> {
    const isMember = this.#group === undefined || cgrp?.join_state === 'steady'
    if (isMember && this.#group !== undefined) this.#refusals.allowed(this.#group)
    this.#refusals.remind()
    if (!this.#refusals.has(this.#topics)) return
    const partitions = Object.values(known).flatMap(({ partitions }) => Object.values(partitions))
    const isAllowed = isMember && !partitions.some(({ fetch_state: state, hi_offset: end }) => state === 'active' && end === failedFetch)
    this.#secondsAllowed = isAllowed ? this.#secondsAllowed + 1 : 0
    // A hidden topic does not count in the statistics: librdkafka leaves it out of the subscription and reads the others.
    if (this.#secondsAllowed % recheckAfter !== allowedAfter) return
    const hidden = await this.#hiddenTopics().catch(() => [this.#topics])
    if (hidden.length === 0 && this.#secondsAllowed >= allowedAfter) this.#refusals.allowed(this.#topics)
  }
}
