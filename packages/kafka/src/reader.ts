import { randomUUID } from 'node:crypto'
import rdkafka from 'node-rdkafka'
import { BrokerFailures } from './broker-failures.js'
import { KafkaError } from './errors.js'
import { withTimeout, away, create, connect, ofNoConcern } from './handle.js'
import { readerConfiguration } from './options.js'
import { toMessage } from './record.js'
import type { ClientOptions, StoredMessage } from './types.js'

/** How long the broker may say nothing before a call gives up, in ms. */
const silenceLimitMs = 10_000
/** Records in JavaScript's hands at once: of 1 MB each, still no more than 100 MB. */
const maxPollRecords = 100
const pollMs = 100

/**
 * Reads what is on a topic now, from the start to the end, for a tool that looks at topics: it is no member of any group,
 * commits nothing, and creates no topic. One `read` at a time.
 */
export class TopicReader {
  readonly #handle: rdkafka.KafkaConsumer
  readonly #metadata: rdkafka.KafkaConsumer['getMetadata']
  readonly #opened: Promise<void>
  #ended = { topic: '', partition: -1, offset: -1 }
  #isReading = false
  readonly #failures: BrokerFailures

  /**
   * @param options librdkafka's properties and the plugin's names
   * @throws KafkaError ERR__INVALID_ARG for a property that librdkafka does not know, or a value that it refuses
   */
  constructor (options: ClientOptions) {
    const { global, topic } = readerConfiguration({ 'group.id': `reader-${randomUUID()}`, ...options })
    this.#handle = create(() => new rdkafka.KafkaConsumer({ ...global }, { ...topic }))
    this.#handle.setDefaultConsumeTimeout(pollMs)
    this.#failures = new BrokerFailures(options)
    this.#handle.on('event.error', () => {}) // what matters is what a call is told
    this.#handle.on('event.log', ({ severity, fac, message }) => { if (fac === 'FAIL') this.#failures.add(severity, message) })
    this.#handle.on('partition.eof', end => { this.#ended = end })
    this.#metadata = this.#handle.getMetadata.bind(this.#handle)
    this.#opened = connect(this.#handle)
    this.#opened.catch(() => {}) // told by every call
  }

  /** Names of the topics and how many partitions each has. Rejects with a KafkaError after 10 s without a broker, whose message has the reason of each. */
  async topics (): Promise<Map<string, number>> {
    await this.#opened
    // Of all topics: asking for one by name may create it.
    const about = { allTopics: true, timeout: silenceLimitMs } as rdkafka.MetadataOptions
    const { topics } = await this.#ask<rdkafka.Metadata>(done => this.#metadata(about, done))
    return new Map(topics.map(({ name, partitions }) => [name, partitions.length]))
  }

  /**
   * The offset of the oldest record that a partition may still hold, and the one after its newest.
   * Rejects with a KafkaError: ERR__UNKNOWN_PARTITION, ERR__TIMED_OUT after 10 s without a broker, …
   */
  async bounds (topic: string, partition: number): Promise<{ low: number, high: number }> {
    await this.#opened
    const { lowOffset, highOffset } = await this.#ask<rdkafka.WatermarkOffsets>(done =>
      this.#handle.queryWatermarkOffsets(topic, partition, silenceLimitMs, done))
    return { low: lowOffset, high: highOffset }
  }

  /**
   * The records that the topic holds, one partition after the other, each in the order of its offsets; what is written
   * meanwhile is left out. Memory is bounded, however slow the caller and however long the topic.
   *
   * @param from one partition only, and there from this offset on
   * @throws KafkaError ERR_UNKNOWN_TOPIC_OR_PART, ERR__TIMED_OUT after 10 s without a record, ERR__STATE while another
   * `read` is not finished, …
   */
  async * read (topic: string, from?: { partition: number, offset: number }): AsyncGenerator<StoredMessage, void, undefined> {
    if (this.#isReading) throw new KafkaError('ERR__STATE', 'Another read of this reader is not finished')
    this.#isReading = true
    try {
      const partitions = (await this.topics()).get(topic)
      if (partitions === undefined) throw new KafkaError('ERR_UNKNOWN_TOPIC_OR_PART', `There is no topic ${topic}`)
      const numbers = from ? [from.partition] : Array.from({ length: partitions }, (_, number) => number)
      const ranges = await Promise.all(numbers.map(async partition => ({ partition, ...await this.bounds(topic, partition) })))
      for (const { partition, low, high } of ranges) {
        yield * this.#readTo(high, { topic, partition, offset: Math.max(low, from?.offset ?? 0) })
      }
    } finally {
      if (this.#handle.isConnected()) this.#handle.unassign()
      this.#isReading = false
    }
  }

  /** Frees the handle; 2 s at most, whatever the broker does. */
  async close (): Promise<void> {
    await this.#opened.catch(() => {})
    if (this.#handle.isConnected()) await withTimeout(2000, done => this.#handle.disconnect(done))
  }

  async * #readTo (end: number, start: { topic: string, partition: number, offset: number }): AsyncGenerator<StoredMessage, void, undefined> {
    const { topic, partition } = start
    let next = start.offset
    if (next >= end) return
    this.#ended = { topic, partition, offset: -1 }
    this.#handle.assign([start])
    for (let heardAt = performance.now(); next < end;) {
      const found = (await this.#look()).filter(record => record.topic === topic && record.partition === partition && record.offset >= next)
      for (const record of found) {
        if (record.offset >= end) return
        next = record.offset + 1
        yield toMessage(record, () => {}) // nothing waits for it
      }
      // The last offsets need not hold records: compaction and transactions leave gaps.
      if (this.#ended.topic === topic && this.#ended.partition === partition && this.#ended.offset >= end) return
      if (found.length > 0) heardAt = performance.now()
      if (performance.now() - heardAt > silenceLimitMs) {
        throw this.#withReason(new KafkaError('ERR__TIMED_OUT', `Nothing more of ${topic}[${partition}]@${next} after ${silenceLimitMs / 1000} s`))
      }
    }
  }

  async #look (): Promise<rdkafka.Message[]> {
    try {
      return await this.#ask<rdkafka.Message[]>(done => this.#handle.consume(maxPollRecords, done))
    } catch (error) {
      // librdkafka goes on looking for the broker; for how long, our caller decides.
      if (away.has((error as KafkaError).codeName) || ofNoConcern(error)) return []
      throw error
    }
  }

  #ask<Answer> (call: (done: (error: rdkafka.LibrdKafkaError, answer: Answer) => void) => unknown): Promise<Answer> {
    return new Promise((resolve, reject) => call((error, answer) => error ? reject(this.#withReason(KafkaError.from(error))) : resolve(answer)))
  }

  /** What librdkafka tells a call is that there was no broker; why stands in its log. */
  #withReason (error: KafkaError): KafkaError {
    const reasons = this.#failures.all.map(({ broker, reason }) => `${broker}: ${reason}`)
    return away.has(error.codeName) && reasons.length > 0 ? new KafkaError(error.code, reasons.join('; '), { cause: error }) : error
  }
}
