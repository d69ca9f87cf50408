import { setTimeout } from 'node:timers/promises'
import rdkafka from 'node-rdkafka'
import { Assignment } from './assignment.js'
import { KafkaError } from './errors.js'
import { atMost, make, open, silent, watch } from './handle.js'
import { Membership } from './membership.js'
import { consumerConfiguration } from './options.js'
import { ReadErrors } from './read-errors.js'
import { MessageStream } from './stream.js'
import type { ClientOptions } from './types.js'

/** What the broker's group coordinator refuses for good: only other settings help. */
const refusedSettings = new Set(['ERR_INVALID_SESSION_TIMEOUT', 'ERR_INVALID_GROUP_ID'])
/** How long one look for messages waits, and so how long a watermark waits to be stored, in ms. */
const consumeTimeoutMs = 100

interface Offset { topic: string, partition: number, offset: number | bigint }

/** A consumer on librdkafka, of the shape that @fastify/kafka calls. */
export class Consumer {
  readonly #options: ClientOptions
  readonly #handle: rdkafka.KafkaConsumer
  readonly #assignment: Assignment
  readonly #membership: Membership
  readonly #readErrors: ReadErrors
  readonly #opened: Promise<void>
  #polling: Promise<void> | undefined
  /** The look for messages that is under way. */
  #looking: Promise<unknown> = Promise.resolve()
  #stream: MessageStream | undefined
  #isClosed = false

  /**
   * @param options librdkafka's properties, the plugin's names, and `logger`, `onState`
   * @throws KafkaError ERR__INVALID_ARG for a property that librdkafka does not know, or a value that it refuses
   */
  constructor (options: ClientOptions) {
    this.#options = options
    const { global, topic, autoCommit } = consumerConfiguration(options)
    const observer = global.rebalance_cb
    const rebalance = (error: rdkafka.LibrdKafkaError, partitions: rdkafka.TopicPartition[]) => {
      this.#rebalance(error.code, partitions)
      if (typeof observer === 'function') observer.call(this, error, partitions)
    }
    this.#handle = make(() => new rdkafka.KafkaConsumer({ ...global, rebalance_cb: rebalance }, { ...topic }))
    this.#handle.setDefaultConsumeTimeout(consumeTimeoutMs)
    this.#assignment = new Assignment(this.#handle, options.logger ?? silent, autoCommit)
    this.#membership = new Membership(options)
    this.#readErrors = new ReadErrors(options)
    watch(this.#handle, options, {
      fatal: error => this.#fail(error),
      isClosed: () => this.#isClosed,
      statistics: statistics => {
        this.#membership.check(statistics, this.#assignment.partitions)
        this.#readErrors.check()
      }
    })
    this.#opened = open(this.#handle)
    this.#opened.catch((error: KafkaError) => this.#fail(error))
  }

  /**
   * Joins the group and starts handing out messages: from the group's committed offset, from the earliest where there
   * is none. A closed consumer hands out nothing. Rejects with a KafkaError where librdkafka refuses a setting.
   */
  async consume ({ topics }: { topics: string[] }): Promise<MessageStream> {
    await this.#opened
    await this.#stream?.close()
    const stream = new MessageStream(() => this.#assignment.take())
    if (this.#isClosed) await stream.close()
    if (this.#isClosed) return stream
    this.#stream = stream
    if (this.#handle.subscription().join() !== topics.join()) this.#handle.subscribe(topics)
    this.#polling ??= this.#poll().catch(error => this.#fail(KafkaError.from(error)))
    return stream
  }

  /**
   * Marks messages, each by its own offset, as committed. The broker hears of it in the background, as far as there is
   * no gap. Never rejects: a message that is not in flight here (its partition was given up) is dropped with a log line.
   */
  async commit ({ offsets }: { offsets: Offset[] }): Promise<void> {
    for (const { topic, partition, offset } of offsets) this.#assignment.commit(topic, partition, Number(offset))
    this.#stream?.wake()
  }

  /** Waits for messages in flight for at most 3 s, commits and leaves the group: 5 s at most, whatever the broker does. */
  async close (): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#stream?.close()
    await this.#opened.catch(() => {})
    await this.#assignment.finished(3000)
    this.#assignment.isClosed = true
    await this.#polling // its last turn stores what was committed
    if (!this.#handle.isConnected() || !await this.#isAnswered(1000)) return
    await atMost(1000, done => this.#handle.disconnect(done))
  }

  /**
   * librdkafka's close waits for the last commit as long as a connection stays open, and a process cannot end
   * meanwhile. So a group whose coordinator does not answer is not left: its session timeout sees to that.
   */
  async #isAnswered (limitMs: number): Promise<boolean> {
    const [topic] = this.#handle.subscription()
    if (topic === undefined) return true
    return await new Promise(resolve => this.#handle.committed([{ topic, partition: 0 }], limitMs, error => resolve(!error)))
  }

  async #poll (): Promise<void> {
    while (!this.#assignment.isClosed) {
      await this.#assignment.roomOrPause()
      const { error, messages } = await this.#consume(Math.max(1, this.#assignment.room))
      this.#assignment.storeOffsets()
      if (error && !this.#isClosed) {
        if (refusedSettings.has(error.codeName)) throw error
        this.#readErrors.report(error, this.#handle.subscription(), this.#assignment.positions)
        await setTimeout(consumeTimeoutMs)
      }
      this.#assignment.push(messages)
      this.#stream?.wake()
    }
  }

  #consume (count: number): Promise<{ error?: KafkaError, messages: rdkafka.Message[] }> {
    const looking = new Promise<{ error?: KafkaError, messages: rdkafka.Message[] }>(resolve => {
      this.#handle.consume(count, (error, messages) => {
        resolve(error ? { error: KafkaError.from(error), messages: [] } : { messages })
      })
    })
    this.#looking = looking
    return looking
  }

  #rebalance (code: number, partitions: rdkafka.TopicPartition[]): void {
    if (code === rdkafka.CODES.ERRORS.ERR__ASSIGN_PARTITIONS) {
      // What the look under way still finds may be of an earlier assignment of the same partition, and newer than where
      // this one starts: committed now, it would pass what is not handled yet.
      this.#looking.then(() => {
        this.#assignment.add(partitions)
        this.#membership.assigned(this.#assignment.partitions)
      })
    } else {
      this.#assignment.remove(partitions).catch((error: Error) => this.#fail(KafkaError.from(error)))
    }
  }

  #fail (error: KafkaError): void {
    if (this.#isClosed) return
    this.#options.onState?.({ type: 'fatal', error })
    this.#stream?.fail(error)
  }
}
