import type { KafkaError } from './errors.js'
import { throttleRepeats } from './handle.js'
import type { ReadError } from './native-batch.js'
import { loggerOf } from './logger.js'
import type { ClientOptions } from './client-options.js'

/** Where an error occurred; without a topic it concerns the whole handle. */
export type ErrorPlace = Pick<ReadError, 'topic' | 'partition' | 'offset'>

/** Errors of a batch that is damaged, too large, or of a codec that is not compiled in. librdkafka fetches it twice a second without end, and its partition stands still. */
export const unreadable = new Set(['ERR__NOT_IMPLEMENTED', 'ERR__BAD_COMPRESSION', 'ERR__BAD_MSG', 'ERR_MSG_SIZE_TOO_LARGE'])
const overAfterMs = 10_000

/** Logs errors while consuming, after which librdkafka continues, and reports a state where an operator has to act. */
export class ReadErrors {
  readonly #options: ClientOptions
  readonly #isNew = throttleRepeats()
  #unreadableAt: number | undefined

  constructor (options: ClientOptions) {
    this.#options = options
  }

  /** Logs an error, and repeats of it within 10 s at debug. A missing topic is searched for every `topic.metadata.refresh.interval.ms`. */
  report (error: KafkaError, { topic, partition, offset }: ErrorPlace): void {
    const { onState } = this.#options
    const logger = loggerOf(this.#options)
    if (!this.#isNew(error, topic)) logger.debug({ err: error, topic }, 'kafka: the same error while consuming')
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
