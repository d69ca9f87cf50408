import type { KafkaError } from './errors.js'
import { throttleRepeats } from './handle.js'
import type { ReadError } from './native-batch.js'
import { loggerOf } from './logger.js'
import type { ClientOptions } from './types.js'

/** Of what an error is said; without a topic it is said of the whole handle. */
export type ErrorPlace = Pick<ReadError, 'topic' | 'partition' | 'offset'>

/** A batch of a codec that is not built in, damaged, or too large: fetched twice a second for ever, with its partition standing still. */
export const unreadable = new Set(['ERR__NOT_IMPLEMENTED', 'ERR__BAD_COMPRESSION', 'ERR__BAD_MSG', 'ERR_MSG_SIZE_TOO_LARGE'])
const overAfterMs = 10_000

/** Errors while consuming. librdkafka goes on by itself; they become a log line, and state where only an operator can help. */
export class ReadErrors {
  readonly #options: ClientOptions
  readonly #isNews = throttleRepeats()
  #unreadableAt: number | undefined

  constructor (options: ClientOptions) {
    this.#options = options
  }

  /** A topic that is missing is looked for every `topic.metadata.refresh.interval.ms`. */
  report (error: KafkaError, { topic, partition, offset }: ErrorPlace): void {
    const { onState } = this.#options
    const logger = loggerOf(this.#options)
    if (!this.#isNews(error, topic)) logger.debug({ err: error, topic }, 'kafka: the same error while consuming')
    else if (error.codeName === 'ERR_UNKNOWN_TOPIC_OR_PART') logger.warn({ topic }, 'kafka: the topic does not exist yet')
    else logger.warn({ err: error, ...topic !== undefined && { topic, partition, offset } }, 'kafka: error while consuming')

    if (!unreadable.has(error.codeName)) return
    if (this.#unreadableAt === undefined) onState?.({ type: 'unreadable', error })
    this.#unreadableAt = performance.now()
  }

  /** To be called every second. */
  check (): void {
    if (this.#unreadableAt === undefined || performance.now() - this.#unreadableAt < overAfterMs) return
    this.#unreadableAt = undefined
    this.#options.onState?.({ type: 'readable' })
  }
}
