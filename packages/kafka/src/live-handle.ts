import { randomUUID } from 'node:crypto'
import rdkafka from 'node-rdkafka'
import { AttachedConsumer, answerOf } from './attached-consumer.js'
import { KafkaError } from './errors.js'
import { bindEvents, ofNoConcern } from './handle.js'
import type { ReadMessage } from './native-batch.js'
import { readerConfiguration } from './options.js'
import type { ReadRights } from './read-rights.js'
import { loggerOf } from './logger.js'
import type { ClientOptions, Logger } from './types.js'

/** The most that one read takes: a turn of the event loop is to be short. */
const [maxPollRecords, maxPollBytes] = [500, 2 * 1024 * 1024]
/** How long the broker may take to answer a question, in ms. Each one occupies a thread of the pool meanwhile. */
const answerLimitMs = 2000
const closeLimitMs = 1000
/** So long a topic may be on its way, until a line says that it is not found, in ms. */
const missingAfterMs = 5000

export interface PartitionOffset { partition: number, offset: number }
export interface PlacedError { error: KafkaError, partition: number }

/** One handle of librdkafka's that reads partitions of one topic by manual assignment, in no group. It commits nothing. */
export class LiveHandle {
  /** Resolves when it is open, and rejects where a setting is refused. */
  readonly opened: Promise<void>
  readonly #consumer: AttachedConsumer
  readonly #handle: rdkafka.KafkaConsumer
  readonly #topic: string
  readonly #rights: ReadRights
  readonly #logger: Logger
  #missingSince: number | undefined
  #isClosed = false

  /**
   * @param rights told of what is refused; it outlives the handle
   * @param onLost it will never read again; another handle would
   * @throws KafkaError where the binding throws: for a property that it does not know, or a bad value
   */
  constructor (options: ClientOptions, topic: string, rights: ReadRights, onLost: (error: KafkaError) => void) {
    const configuration = readerConfiguration({
      'fetch.wait.max.ms': 500, // a broker answers as soon as there is a record
      'topic.metadata.refresh.interval.ms': 5000,
      'statistics.interval.ms': 1000,
      'socket.timeout.ms': 30_000,
      ...options,
      'enable.partition.eof': false,
      'group.id': `live-${randomUUID()}` // the binding demands one; without a subscription it is never joined
    })
    this.#topic = topic
    this.#rights = rights
    this.#logger = loggerOf(options)
    this.#consumer = new AttachedConsumer(configuration)
    this.#handle = this.#consumer.handle
    bindEvents(this.#handle, options, {
      isClosed: () => this.#isClosed, fatal: onLost, brokersLost: onLost, statistics: statistics => { if (!this.#isClosed) rights.check(statistics) }
    })
    this.opened = this.#consumer.opened
    this.opened.catch(() => {}) // whoever waits for it hears of it
  }

  /**
   * How many partitions the topic has; 0 where there is no topic. Rejects with a KafkaError without an answer.
   *
   * @param isKnown whether the topic was found before. Until then all topics are asked for: by its name alone, a broker may
   * create it with settings of its own.
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

  /** Adds partitions to those that are read, each from an offset on. */
  add (from: PartitionOffset[]): void {
    this.#handle.incrementalAssign(from.map(at => ({ topic: this.#topic, ...at })))
  }

  /** Reads partitions from these offsets on, instead of where they stand. */
  move (to: PartitionOffset[]): void {
    this.#handle.incrementalUnassign(to.map(({ partition }) => ({ topic: this.#topic, partition })))
    this.add(to)
  }

  /** Waits for records or errors, for 1 s at most; librdkafka goes on after these. To be called in a later turn of the event loop where the batch is not emptied. */
  async poll (): Promise<{ messages: ReadMessage[], errors: PlacedError[], isEmptied: boolean }> {
    await this.#consumer.due()
    const { messages, errors, isEmptied } = this.#consumer.read(maxPollRecords, maxPollBytes)
    const news = errors.map(({ code, text, partition }) => ({ error: new KafkaError(code, text), partition }))
      .filter(({ error }) => !ofNoConcern(error) && !this.#rights.report(error))
    return { messages, errors: news, isEmptied }
  }

  /** Says once, until it is found again, that it is not. */
  #missing (): void {
    this.#missingSince ??= performance.now()
    if (performance.now() - this.#missingSince < missingAfterMs) return
    this.#missingSince = Infinity
    this.#logger.warn({ topic: this.#topic }, 'kafka: the topic is not found: it does not exist, or a right to read it is missing')
  }

  /** Reads nothing any more, and ends a `poll` that waits. */
  stop (): void {
    this.#consumer.stop()
  }

  /** Frees the handle; 1 s at most, whatever the broker does. */
  async close (): Promise<void> {
    this.#isClosed = true
    await this.#consumer.disconnect(closeLimitMs)
  }
}
