import { setImmediate, setTimeout } from 'node:timers/promises'
import rdkafka from 'node-rdkafka'
import { Assignment } from './assignment.js'
import { AttachedConsumer } from './attached-consumer.js'
import { KafkaError } from './errors.js'
import { bindEvents } from './handle.js'
import { consumerConfiguration } from './options.js'
import type { ErrorPlace } from './read-errors.js'
import type { Flow } from './stall.js'
import type { ClientOptions, Message, Statistics } from './types.js'
import { loggerOf } from './logger.js'
import { unhandledAfterMs } from './unhandled.js'

/** What the broker's group coordinator refuses for good (only other settings help), and what librdkafka gives up after. */
const final = new Set(['ERR__FATAL', 'ERR_INVALID_SESSION_TIMEOUT', 'ERR_INVALID_GROUP_ID'])
/** The log line that says why comes beside a fatal error, in ms. */
const fatalLineMs = 100
const metadataLimitMs = 2000
/** What one read takes of what nobody will be handed. */
const [maxMessages, maxBytes] = [500, 2 * 1024 * 1024]

interface Place { topic: string, partition: number }

/** What a handle tells of itself. */
interface Listener {
  assigned: (partitions: Place[]) => void
  /** Every second, with what is assigned, the topics of which nothing was ever committed, and what is out. */
  statistics: (statistics: Statistics, partitions: Place[], unhandled: string[], flow: Flow) => void
  /** While consuming, which goes on. */
  failed: (error: KafkaError, place: ErrorPlace) => unknown
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
  readonly #consumer: AttachedConsumer
  readonly #handle: rdkafka.KafkaConsumer
  readonly #assignment: Assignment
  readonly #closeTimeoutMs: number
  readonly #isStatic: boolean
  /** Resolves when it is open, and rejects where it is refused. */
  readonly opened: Promise<void>
  readonly #reading: Promise<void>
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
    this.#consumer = new AttachedConsumer({ global: { ...global, rebalance_cb: rebalance }, topic })
    this.#handle = this.#consumer.handle
    this.#closeTimeoutMs = options.closeTimeoutMs ?? 5000
    this.#isStatic = global['group.instance.id'] !== undefined
    this.#assignment = new Assignment(this.#consumer, loggerOf(options), { autoCommit, isCumulative: options.cumulativeCommits === true })
    bindEvents(this.#handle, options, {
      fatal: error => this.#fail(error),
      brokersLost: error => { if (!this.#isClosed) on.brokersLost(error) },
      isClosed: () => this.#isClosed,
      statistics: statistics => {
        if (this.#isClosed) return
        this.#assignment.readAgain(statistics)
        on.statistics(statistics, this.#assignment.partitions, this.#assignment.unhandled(unhandledAfterMs), this.#assignment.flow)
      }
    })
    this.opened = this.#consumer.opened
    // Also before it subscribes: what librdkafka tells gathers until it is read.
    this.#reading = this.opened.then(() => this.#read()).catch(error => this.#fail(KafkaError.from(error)))
  }

  /** Joins the group, or changes what it reads there. To be called when it is open. */
  subscribe (topics: string[]): void {
    if (this.#handle.subscription().join() !== topics.join()) this.#handle.subscribe(topics)
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
    const { topics } = await this.#consumer.metadata({ allTopics: true, timeout: metadataLimitMs })
    return this.#handle.subscription().filter(topic => !topic.startsWith('^') && !topics.some(({ name }) => name === topic))
  }

  /** Waits for messages in flight for at most 3 s (2 s less than `closeTimeoutMs`), commits and leaves the group: 5 s at most, whatever the broker does. */
  async close (): Promise<void> {
    this.#isClosed = true
    await this.opened.catch(() => {})
    await this.#assignment.finished(Math.max(0, this.#closeTimeoutMs - 2000))
    await this.#end({ answerMs: 1000, leaveMs: 500, freeMs: 500 })
  }

  /** Ends it in the background, once it is of no use any more; nothing is waited for. */
  abandon (): void {
    this.#isClosed = true
    this.#end({ leaveMs: 5000, freeMs: 0 })
  }

  /** Stores what was committed, reads nothing any more, and leaves the group where that is done in time. */
  async #end ({ answerMs, leaveMs, freeMs }: { answerMs?: number, leaveMs: number, freeMs: number }): Promise<void> {
    this.#assignment.isClosed = true
    this.#consumer.condition.check()
    await this.#reading
    const isConnected = this.#handle.isConnected()
    if (isConnected) this.#assignment.storeOffsets()
    const isLeft = isConnected && (answerMs === undefined || await this.#isAnswered(answerMs)) && await this.#leave(leaveMs)
    this.#consumer.stop()
    if (isLeft) await this.#consumer.disconnect(freeMs)
  }

  /**
   * Gives all partitions up, on which librdkafka leaves the group. Returns whether that was done in time. Its close would wait for
   * it in a thread, and a process waits at its end for that thread, when nobody is left to give them up.
   */
  async #leave (limitMs: number): Promise<boolean> {
    if (this.#isStatic) return true // it must not leave: its next process takes its place
    this.#handle.unsubscribe()
    while (!this.#consumer.read(maxMessages, maxBytes).isEmptied); // its word that they are to be given up is among them
    await setImmediate()
    return await this.#assignment.givenUp(limitMs)
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

  /** Reads what has come, as far as there is room. Between two reads the event loop has a turn. */
  async #read (): Promise<void> {
    for (;;) {
      await this.#consumer.due(() => this.#assignment.isClosed || this.#assignment.isResumeDue)
      await this.#assignment.roomOrPause()
      if (this.#assignment.isClosed) return
      const { count, bytes } = this.#assignment.room
      const batch = this.#consumer.read(count, bytes)
      const failures = this.#assignment.push(batch)
      this.#on.found()
      for (const failure of failures) await this.#failed(new KafkaError(failure.code, failure.text), failure)
      if (!batch.isEmptied || batch.messages.length > 0) await setImmediate()
    }
  }

  async #failed (error: KafkaError, place: ErrorPlace): Promise<void> {
    if (this.#isClosed) return
    if (error.codeName === 'ERR__FATAL') await setTimeout(fatalLineMs)
    if (final.has(error.codeName)) throw error
    this.#on.failed(error, place)
  }

  #rebalance (code: number, partitions: rdkafka.TopicPartition[]): void {
    if (code === rdkafka.CODES.ERRORS.ERR__ASSIGN_PARTITIONS) {
      // No read is under way on the event loop, and librdkafka holds back what is of an earlier assignment.
      this.#assignment.add(partitions)
      if (!this.#isClosed) this.#on.assigned(this.#assignment.partitions)
    } else {
      this.#assignment.remove(partitions).catch((error: Error) => this.#fail(KafkaError.from(error)))
    }
  }

  #fail (error: KafkaError): void {
    if (!this.#isClosed) this.#on.fatal(error)
  }
}
