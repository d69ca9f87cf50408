import { setImmediate, setTimeout } from 'node:timers/promises'
import rdkafka from 'node-rdkafka'
import { Assignment } from './assignment.js'
import { AttachedConsumer } from './attached-consumer.js'
import { KafkaError } from './errors.js'
import { bindEvents } from './handle.js'
import { leaveGroup } from './leave-group.js'
import { consumerConfiguration } from './options.js'
import { asChosen, type RebalanceCallback } from './rebalance-callback.js'
import { Rebalancing } from './rebalancing.js'
import { isFromTheEnd, type StartingPoints } from './starting-points.js'
import type { ErrorPlace } from './read-errors.js'
import type { Flow } from './stall.js'
import type { ClientOptions } from './client-options.js'
import type { Message, Statistics } from './types.js'
import { loggerOf } from './logger.js'
import { unhandledAfterMs } from './unhandled.js'

/** Errors that end the handle: librdkafka's fatal ones, and refusals of the group coordinator that only other settings change. */
const final = new Set(['ERR__FATAL', 'ERR_INVALID_SESSION_TIMEOUT', 'ERR_INVALID_GROUP_ID'])
/** Wait after a fatal error, in ms, for the log line with its reason. */
const fatalLineMs = 100
const metadataLimitMs = 2000

interface TopicPartition { topic: string, partition: number }

/** Events of a handle. */
interface Listener {
  assigned: (partitions: TopicPartition[]) => void
  /** Every second, with the assigned partitions, topics without any commit (`unhandled`), and the messages in flight. */
  statistics: (statistics: Statistics, partitions: TopicPartition[], unhandled: string[], flow: Flow) => void
  /** An error while consuming, which goes on. */
  failed: (error: KafkaError, place: ErrorPlace) => unknown
  /** There may be messages to take. */
  found: () => void
  /** It never reads again. */
  fatal: (error: KafkaError) => void
  /** It knows no broker any more and never reads again; a new handle would. */
  brokersLost: (error: KafkaError) => void
}

/** One librdkafka handle and its membership of the group, from opening to end. */
export class ConsumerHandle {
  readonly #on: Listener
  readonly #consumer: AttachedConsumer
  readonly #handle: rdkafka.KafkaConsumer
  readonly #assignment: Assignment
  readonly #rebalancing: Rebalancing
  readonly #closeTimeoutMs: number
  readonly #isStatic: boolean
  readonly #startingPoints: StartingPoints | undefined
  #opened: Promise<void> | undefined
  #reading: Promise<void> | undefined
  #topics: string[] = []
  #isClosed = false

  /**
   * @param startingPoints used where a group without commits starts at the end
   * @throws KafkaError for an unknown property or a bad value
   */
  constructor (options: ClientOptions, startingPoints: StartingPoints, on: Listener) {
    this.#on = on
    const { global, topic, autoCommit } = consumerConfiguration(options)
    const given = typeof global.rebalance_cb === 'function' ? global.rebalance_cb as RebalanceCallback : undefined
    const rebalance = (error: rdkafka.LibrdKafkaError, partitions: rdkafka.TopicPartition[]) => {
      this.#rebalancing.rebalance(error.code, given === undefined ? partitions : asChosen(given, this.#handle, loggerOf(options), error, partitions))
    }
    this.#consumer = new AttachedConsumer({ global: { ...global, rebalance_cb: rebalance }, topic })
    this.#handle = this.#consumer.handle
    if (isFromTheEnd(topic)) this.#startingPoints = startingPoints
    this.#closeTimeoutMs = options.closeTimeoutMs ?? 5000
    this.#isStatic = global['group.instance.id'] !== undefined
    this.#assignment = new Assignment(this.#consumer, loggerOf(options), { autoCommit, isCumulative: options.cumulativeCommits === true })
    this.#rebalancing = new Rebalancing(this.#consumer, this.#assignment, this.#startingPoints, {
      assigned: () => { if (!this.#isClosed) on.assigned(this.#assignment.partitions) },
      failed: error => this.#fail(error)
    })
    bindEvents(this.#handle, options, {
      fatal: error => this.#fail(error),
      brokersLost: error => { if (!this.#isClosed) on.brokersLost(error) },
      isClosed: () => this.#isClosed,
      statistics: statistics => {
        if (this.#isClosed) return
        this.#assignment.refetchOffsets(statistics)
        on.statistics(statistics, this.#assignment.partitions, this.#assignment.unhandled(unhandledAfterMs), this.#assignment.flow)
      }
    })
  }

  /** Opens it, once. Resolves when it is open; rejects where a setting is refused. */
  open (): Promise<void> {
    if (this.#opened !== undefined) return this.#opened
    this.#opened = this.#consumer.open()
    // Reads before it subscribes too: librdkafka's events queue up until they are read.
    this.#reading = this.#opened.then(() => this.#read()).catch(error => this.#fail(KafkaError.from(error)))
    return this.#opened
  }

  /** Joins the group, or changes its subscription, once a broker has answered. To be called when the handle is open. */
  subscribe (topics: string[]): void {
    if (this.#topics.join() === topics.join()) return
    this.#topics = topics
    const join = () => { if (!this.#isClosed && this.#topics === topics) this.#handle.subscribe(topics) }
    if (this.#startingPoints === undefined) join()
    else this.#startingPoints.note(this.#consumer, topics, () => this.#isClosed).then(join).catch(error => this.#fail(KafkaError.from(error)))
  }

  /** The next message to hand out. */
  take (): Message | undefined {
    return this.#assignment.take()
  }

  /** Marks a message as committed. */
  commit (topic: string, partition: number, offset: number): void {
    this.#assignment.commit(topic, partition, offset)
  }

  /** Subscribed topics that the broker does not list: they do not exist, or the right to describe them is missing. Rejects without an answer. */
  async hiddenTopics (): Promise<string[]> {
    const { topics } = await this.#consumer.metadata({ allTopics: true, timeout: metadataLimitMs })
    return this.#handle.subscription().filter(topic => !topic.startsWith('^') && !topics.some(({ name }) => name === topic))
  }

  /** Waits at most 3 s for messages in flight (2 s less than `closeTimeoutMs`), commits and leaves the group: 5 s at most, whatever the broker does. */
  async close (): Promise<void> {
    this.#isClosed = true
    if (this.#opened === undefined) return
    await this.#opened.catch(() => {})
    await this.#assignment.finished(Math.max(0, this.#closeTimeoutMs - 2000))
    await this.#leave({ answerMs: 500, leaveMs: 500 })
  }

  /** Ends a handle of no further use in the background. */
  abandon (): void {
    this.#isClosed = true
    this.#leave({ leaveMs: 5000 })
  }

  async #leave (limits: { answerMs?: number, leaveMs: number }): Promise<void> {
    await leaveGroup({
      consumer: this.#consumer, assignment: this.#assignment, topic: this.#topics[0], isStatic: this.#isStatic, reading: this.#reading, placed: this.#rebalancing.placed
    }, limits)
  }

  /** Reads fetched messages as far as there is room, with a turn of the event loop between two reads. */
  async #read (): Promise<void> {
    for (;;) {
      await this.#consumer.due(() => this.#assignment.isClosed || this.#assignment.isResumeDue)
      await this.#assignment.capacityOrPause()
      if (this.#assignment.isClosed) return
      const { count, bytes } = this.#assignment.capacity
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
    if (error.codeName === 'ERR_TOPIC_AUTHORIZATION_FAILED' && place.topic !== undefined) this.#startingPoints?.refused(place.topic)
    this.#on.failed(error, place)
  }

  #fail (error: KafkaError): void {
    if (!this.#isClosed) this.#on.fatal(error)
  }
}
