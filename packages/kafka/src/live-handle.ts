import { randomUUID } from 'node:crypto'
import rdkafka from 'node-rdkafka'
import { AttachedConsumer, answerOf } from './attached-consumer.js'
import { KafkaError } from './errors.js'
import { bindEvents, ofNoConcern } from './handle.js'
import type { ReadMessage } from './native-batch.js'
import { readerConfiguration } from './options.js'
import type { ReadRights } from './read-rights.js'
import { loggerOf } from './logger.js'
import type { ClientOptions } from './client-options.js'
import type { Logger } from './types.js'

/** Limit of a request in ms; it occupies a thread of libuv's pool until then. */
const answerLimitMs = 2000
const closeLimitMs = 1000
/** How long a topic must be missing before a warning, in ms. */
const missingAfterMs = 5000

export interface PartitionOffset { partition: number, offset: number }
export interface PlacedError { error: KafkaError, partition: number }

/** One librdkafka handle that reads partitions of one topic by manual assignment, in no group. It commits nothing. */
export class LiveHandle {
  /** Resolves when the handle is open; rejects where a setting is refused. */
  readonly opened: Promise<void>
  readonly #consumer: AttachedConsumer
  readonly #handle: rdkafka.KafkaConsumer
  readonly #topic: string
  readonly #rights: ReadRights
  readonly #logger: Logger
  #missingSince: number | undefined
  #isClosed = false

  /**
   * @param rights receives refusals; outlives the handle
   * @param onLost called when the handle will never read again; a new one would
   * @throws KafkaError for an unknown property or a bad value
   */
  constructor (options: ClientOptions, topic: string, rights: ReadRights, onLost: (error: KafkaError) => void) {
    const configuration = readerConfiguration({
      'fetch.wait.max.ms': 500, // a broker answers as soon as there is a record
      'topic.metadata.refresh.interval.ms': 5000,
      'statistics.interval.ms': 1000,
      'socket.timeout.ms': 30_000,
      ...options,
      'enable.partition.eof': false,
      'group.id': `live-${randomUUID()}` // required by the binding; without a subscription the group is never joined
    })
    this.#topic = topic
    this.#rights = rights
    this.#logger = loggerOf(options)
    this.#consumer = new AttachedConsumer(configuration)
    this.#handle = this.#consumer.handle
    bindEvents(this.#handle, options, {
      isClosed: () => this.#isClosed, fatal: onLost, brokersLost: onLost, statistics: statistics => { if (!this.#isClosed) rights.check(statistics) }
    })
    this.opened = this.#consumer.open()
    this.opened.catch(() => {}) // handled where it is awaited
  }

  /**
   * Number of partitions of the topic; 0 where it does not exist. Rejects with a KafkaError without an answer.
   *
   * @param isKnown whether the topic was found before. Until then the request is for all topics, because a broker may create a
   * topic that is requested by name, with its default settings.
   */
  async partitions (isKnown: boolean): Promise<number> {
    const { topics } = await this.#consumer.metadata({ ...isKnown ? { topic: this.#topic } : { allTopics: true }, timeout: answerLimitMs })
    const count = topics.find(({ name }) => name === this.#topic)?.partitions.length ?? 0
    if (count === 0) this.#missing()
    else this.#missingSince = undefined
    return count
  }

  /** The offset that the next record of a partition will have. Rejects with a KafkaError without an answer. */
  async end (partition: number): Promise<number> {
    const { highOffset } = await answerOf<rdkafka.WatermarkOffsets>(done => this.#handle.queryWatermarkOffsets(this.#topic, partition, answerLimitMs, done))
    return highOffset
  }

  /** Adds partitions to read, each from an offset. */
  add (from: PartitionOffset[]): void {
    this.#handle.incrementalAssign(from.map(at => ({ topic: this.#topic, ...at })))
  }

  /** Moves partitions that are read to these offsets. */
  move (to: PartitionOffset[]): void {
    this.#handle.incrementalUnassign(to.map(({ partition }) => ({ topic: this.#topic, partition })))
    this.add(to)
  }

  /** Waits for records or errors, 1 s at most. Errors do not end reading. Where `isEmptied` is false, the next call must be in a later turn of the event loop. */
  async poll (): Promise<{ messages: ReadMessage[], errors: PlacedError[], isEmptied: boolean }> {
    await this.#consumer.due()
    const { messages, errors, isEmptied } = this.#consumer.read()
    const news = errors.map(({ code, text, partition }) => ({ error: new KafkaError(code, text), partition }))
      .filter(({ error }) => !ofNoConcern(error) && !this.#rights.report(error))
    return { messages, errors: news, isEmptied }
  }

  /** Logs one warning until the topic is found again. */
  #missing (): void {
    this.#missingSince ??= performance.now()
    if (performance.now() - this.#missingSince < missingAfterMs) return
    this.#missingSince = Infinity
    this.#logger.warn({ topic: this.#topic }, 'kafka: the topic is not found: it does not exist, or a right to read it is missing')
  }

  /** Ends reading, and a `poll` that waits. */
  stop (): void {
    this.#consumer.stop()
  }

  /** Frees the handle; 1 s at most, whatever the broker does. */
  async close (): Promise<void> {
    this.#isClosed = true
    await this.#consumer.disconnect(closeLimitMs)
  }
}
