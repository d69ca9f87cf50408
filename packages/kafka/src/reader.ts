import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import rdkafka from 'node-rdkafka'
import { AttachedConsumer, answerOf } from './attached-consumer.js'
import { BrokerFailures } from './broker-failures.js'
import { KafkaError } from './errors.js'
import { away, ofNoConcern } from './handle.js'
import { readerConfiguration } from './options.js'
import { toMessage } from './record.js'
import type { ClientOptions } from './client-options.js'
import type { StoredMessage } from './types.js'

/** Longest time without an answer of the broker, in ms. */
const answerLimitMs = 10_000

const endOfPartition = rdkafka.CODES.ERRORS.ERR__PARTITION_EOF

/**
 * Reads the current records of a topic from start to end, for tools. It is in no group, commits nothing, and creates no topic.
 * One `read` at a time.
 */
export class TopicReader {
  readonly #consumer: AttachedConsumer
  readonly #handle: rdkafka.KafkaConsumer
  readonly #opened: Promise<void>
  #isReading = false
  readonly #failures: BrokerFailures

  /**
   * @param options librdkafka's properties and the plugin's names
   * @throws KafkaError ERR__INVALID_ARG for an unknown property or a bad value
   */
  constructor (options: ClientOptions) {
    this.#consumer = new AttachedConsumer(readerConfiguration({ 'group.id': `reader-${randomUUID()}`, ...options }))
    this.#handle = this.#consumer.handle
    this.#failures = new BrokerFailures(options)
    this.#handle.on('event.error', () => {}) // calls reject with the errors that concern them
    this.#handle.on('event.log', ({ severity, fac, message }) => { if (fac === 'FAIL') this.#failures.add(severity, message) })
    this.#opened = this.#consumer.open()
    this.#opened.catch(() => {}) // every call awaits it
  }

  /** Names of the topics and their numbers of partitions. Rejects after 10 s without a broker, with a KafkaError whose message has the reason for each broker. */
  async topics (): Promise<Map<string, number>> {
    await this.#opened
    // All topics, because a request for one name may create it.
    const { topics } = await this.#withReason(this.#consumer.metadata({ allTopics: true, timeout: answerLimitMs }))
    return new Map(topics.map(({ name, partitions }) => [name, partitions.length]))
  }

  /**
   * Low and high watermarks of a partition: the offset of its oldest record, and the one after its newest.
   * Rejects with a KafkaError: ERR__UNKNOWN_PARTITION, ERR__TIMED_OUT after 10 s without a broker, …
   */
  async bounds (topic: string, partition: number): Promise<{ low: number, high: number }> {
    await this.#opened
    const { lowOffset, highOffset } = await this.#withReason(answerOf<rdkafka.WatermarkOffsets>(done =>
      this.#handle.queryWatermarkOffsets(topic, partition, answerLimitMs, done)))
    return { low: lowOffset, high: highOffset }
  }

  /**
   * The records of the topic, one partition after the other, in the order of offsets. Records written during the read are left
   * out. Memory is bounded, however slow the caller and however long the topic.
   *
   * @param from reads one partition only, from this offset
   * @throws KafkaError ERR_UNKNOWN_TOPIC_OR_PART, ERR__TIMED_OUT after 10 s without a record, ERR__STATE while another
   * `read` is unfinished or after `close`, …
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
      if (!this.#consumer.isStopped && this.#handle.isConnected()) this.#handle.unassign() // not while node-rdkafka closes, which frees it
      this.#isReading = false
    }
  }

  /** Frees the handle; 2 s at most, whatever the broker does. */
  async close (): Promise<void> {
    await this.#consumer.disconnect(2000)
  }

  async * #readTo (end: number, start: { topic: string, partition: number, offset: number }): AsyncGenerator<StoredMessage, void, undefined> {
    const { topic, partition } = start
    let next = start.offset
    if (next >= end) return
    if (this.#consumer.isStopped) throw new KafkaError('ERR__STATE', 'The reader was closed')
    this.#handle.assign([start])
    let isEnded = false
    for (let heardAt = performance.now(); next < end && !isEnded;) {
      await this.#consumer.due()
      if (this.#consumer.isStopped) throw new KafkaError('ERR__STATE', 'The reader was closed')
      const { messages, errors, isEmptied } = this.#consumer.read()
      const found = messages.filter(message => message.topic === topic && message.partition === partition && message.offset >= next)
      for (const message of found) {
        if (message.offset >= end) return
        next = message.offset + 1
        yield toMessage(message, () => {})
      }
      if (found.length > 0) heardAt = performance.now() // after the caller has handled the records
      for (const error of errors) {
        // The last offsets may hold no records: compaction and transactions leave gaps.
        if (error.code === endOfPartition) isEnded ||= error.topic === topic && error.partition === partition && error.offset >= end
        else this.#check(new KafkaError(error.code, error.text))
      }
      if (performance.now() - heardAt > answerLimitMs) {
        throw this.#explained(new KafkaError('ERR__TIMED_OUT', `Nothing more of ${topic}[${partition}]@${next} after ${answerLimitMs / 1000} s`))
      }
      if (!isEmptied) await setImmediate()
    }
  }

  /** Throws an error, except one of an unreachable broker, which the time limit covers. */
  #check (error: KafkaError): void {
    if (!away.has(error.codeName) && !ofNoConcern(error)) throw this.#explained(error)
  }

  async #withReason<Answer> (answer: Promise<Answer>): Promise<Answer> {
    return await answer.catch((error: KafkaError) => { throw this.#explained(error) })
  }

  /** Adds the reasons from librdkafka's log to an error that only says that no broker answered. */
  #explained (error: KafkaError): KafkaError {
    const reasons = this.#failures.all.map(({ broker, reason }) => `${broker}: ${reason}`)
    return away.has(error.codeName) && reasons.length > 0 ? new KafkaError(error.code, reasons.join('; '), { cause: error }) : error
  }
}
