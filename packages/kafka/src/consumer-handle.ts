import { setTimeout } from 'node:timers/promises'
import rdkafka from 'node-rdkafka'
import { Assignment } from './assignment.js'
import { KafkaError } from './errors.js'
import { withTimeout, create, connect, noopLogger, bindEvents } from './handle.js'
import { consumerConfiguration } from './options.js'
import type { ClientOptions, Message, Statistics } from './types.js'
import { unhandledAfterMs } from './unhandled.js'

/** What the broker's group coordinator refuses for good (only other settings help), and what librdkafka gives up after. */
const final = new Set(['ERR__FATAL', 'ERR_INVALID_SESSION_TIMEOUT', 'ERR_INVALID_GROUP_ID'])
/** How long a look waits for a message, and so how long a watermark waits to be stored, in ms. */
const pollForMs = 100
const metadataLimitMs = 2000
/** So many looks in a row that found something: then more may be there than one, and all of it is taken. */
const foundInARow = 3

interface Look { error?: KafkaError, messages: rdkafka.Message[] }
interface Place { topic: string, partition: number }

/** What a handle tells of itself. */
interface Listener {
  assigned: (partitions: Place[]) => void
  /** Every second, with what is assigned, and the topics of which nothing was ever committed. */
  statistics: (statistics: Statistics, partitions: Place[], unhandled: string[]) => void
  /** While consuming, which goes on; with the next offset of each partition. */
  failed: (error: KafkaError, topics: string[], positions: Record<string, number>) => unknown
  /** There may be messages to take. */
  found: () => void
  /** It never reads again. */
  fatal: (error: KafkaError) => void
  /** It knows no broker any more, and never reads again; another one would. */
  brokersLost: (error: KafkaError) => void
}

/** One handle of librdkafka's and its membership of the group, from its opening to its end. */
export class ConsumerHandle {
  readonly #on: Listener
  readonly #handle: rdkafka.KafkaConsumer
  readonly #metadata: rdkafka.KafkaConsumer['getMetadata']
  readonly #assignment: Assignment
  readonly #closeTimeoutMs: number
  /** Resolves when it is open, and rejects where it is refused. */
  readonly opened: Promise<void>
  #polling: Promise<void> | undefined
  /** The look for messages that is under way. */
  #looking: Promise<unknown> = Promise.resolve()
  /** Ends of logs that it has found. */
  #ends: Array<Place & { offset: number }> = []
  #isClosed = false

  /** @throws KafkaError where the binding throws: for a property that it does not know, or a bad value */
  constructor (options: ClientOptions, on: Listener) {
    this.#on = on
    const { global, topic, autoCommit } = consumerConfiguration(options)
    const observer = global.rebalance_cb
    const rebalance = (error: rdkafka.LibrdKafkaError, partitions: rdkafka.TopicPartition[]) => {
      this.#rebalance(error.code, partitions)
      if (typeof observer === 'function') observer(error, partitions)
    }
    this.#handle = create(() => new rdkafka.KafkaConsumer({ ...global, rebalance_cb: rebalance }, { ...topic }))
    this.#metadata = this.#handle.getMetadata.bind(this.#handle)
    this.#closeTimeoutMs = options.closeTimeoutMs ?? 5000
    this.#assignment = new Assignment(this.#handle, options.logger ?? noopLogger, autoCommit)
    this.#handle.on('partition.eof', end => { this.#ends.push(end) })
    bindEvents(this.#handle, options, {
      fatal: error => this.#fail(error),
      brokersLost: error => { if (!this.#isClosed) on.brokersLost(error) },
      isClosed: () => this.#isClosed,
      statistics: statistics => {
        if (this.#isClosed) return
        this.#assignment.refetchOffsets(statistics)
        on.statistics(statistics, this.#assignment.partitions, this.#assignment.unhandled(unhandledAfterMs))
      }
    })
    this.opened = connect(this.#handle)
    this.opened.catch((error: KafkaError) => this.#fail(error))
  }

  /** Joins the group, or changes what it reads there. To be called when it is open. */
  subscribe (topics: string[]): void {
    if (this.#handle.subscription().join() !== topics.join()) this.#handle.subscribe(topics)
    this.#polling ??= this.#poll().catch(error => this.#fail(KafkaError.from(error)))
  }

  /** The next message to hand out. */
  take (): Message | undefined {
    return this.#assignment.take()
  }

  /** Marks a message as committed. */
  commit (topic: string, partition: number, offset: number): void {
    this.#assignment.commit(topic, partition, offset)
  }

  /** Those of its topics that the broker does not name: there are none, or a right to see them is missing. Rejects without an answer. */
  async hiddenTopics (): Promise<string[]> {
    const about = { allTopics: true, timeout: metadataLimitMs } as rdkafka.MetadataOptions
    const { topics } = await new Promise<rdkafka.Metadata>((resolve, reject) => this.#metadata(about, (error, found) => error ? reject(KafkaError.from(error)) : resolve(found)))
    return this.#handle.subscription().filter(topic => !topic.startsWith('^') && !topics.some(({ name }) => name === topic))
  }

  /** Waits for messages in flight for at most 3 s (2 s less than `closeTimeoutMs`), commits and leaves the group: 5 s at most, whatever the broker does. */
  async close (): Promise<void> {
    this.#isClosed = true
    await this.opened.catch(() => {})
    await this.#assignment.finished(Math.max(0, this.#closeTimeoutMs - 2000))
    this.#assignment.isClosed = true
    await this.#polling // its last turn stores what was committed
    if (!this.#handle.isConnected() || !await this.#isAnswered(1000)) return
    await withTimeout(1000, done => this.#handle.disconnect(done))
  }

  /** Ends it in the background, once it is of no use any more; nothing is waited for. */
  abandon (): void {
    this.#isClosed = true
    this.#assignment.isClosed = true
    Promise.allSettled([this.opened, this.#polling]).then(() => {
      if (this.#handle.isConnected()) this.#handle.disconnect()
    })
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

  /**
   * The binding waits for as many messages as it is asked for, or until its time is up. So a look that waits is for one,
   * which is handed out as soon as it is there; and one that takes whatever there is does not wait.
   */
  async #poll (): Promise<void> {
    let found = 0
    while (!this.#assignment.isClosed) {
      await this.#assignment.roomOrPause()
      const { error, messages }: Look = await (found < foundInARow ? this.#consume(1, pollForMs) : this.#consume(Math.max(1, this.#assignment.room), 0))
      found = messages.length > 0 ? found + 1 : 0
      this.#assignment.storeOffsets()
      if (error && !this.#isClosed) {
        if (error.codeName === 'ERR__FATAL') await setTimeout(pollForMs) // the log line that comes beside it says why
        if (final.has(error.codeName)) throw error
        this.#on.failed(error, this.#handle.subscription(), this.#assignment.positions)
        await setTimeout(pollForMs)
      }
      this.#assignment.push(messages)
      for (const end of this.#ends.splice(0)) this.#assignment.reachedEnd(end)
      this.#on.found()
    }
  }

  #consume (count: number, waitMs: number): Promise<Look> {
    this.#handle.setDefaultConsumeTimeout(waitMs)
    const looking = new Promise<Look>(resolve => {
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
        if (!this.#isClosed) this.#on.assigned(this.#assignment.partitions)
      })
    } else {
      this.#assignment.remove(partitions).catch((error: Error) => this.#fail(KafkaError.from(error)))
    }
  }

  #fail (error: KafkaError): void {
    if (!this.#isClosed) this.#on.fatal(error)
  }
}
