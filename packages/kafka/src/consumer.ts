import { ConsumerHandle } from './consumer-handle.js'
import { KafkaError } from './errors.js'
import { Membership } from './membership.js'
import { ReadErrors } from './read-errors.js'
import { ReadRights } from './read-rights.js'
import { Stall } from './stall.js'
import { StartingPoints } from './starting-points.js'
import { MessageStream } from './stream.js'
import type { ConsumerOptions } from './client-options.js'
import { loggerOf } from './logger.js'
import { UnhandledTopics } from './unhandled.js'

interface Offset { topic: string, partition: number, offset: number | bigint }

/** A consumer on librdkafka with the interface that @fastify/kafka calls. */
export class Consumer {
  readonly #options: ConsumerOptions
  readonly #membership: Membership
  readonly #readErrors: ReadErrors
  readonly #unhandled: UnhandledTopics
  readonly #stall: Stall
  readonly #readRights: ReadRights
  readonly #startingPoints: StartingPoints
  #handle: ConsumerHandle
  #topics: string[] = []
  readonly #streams = new Set<MessageStream>()
  #isClosed = false
  #closing: Promise<void> | undefined
  #failure: KafkaError | undefined

  /**
   * @param options librdkafka's properties, the plugin's names, and `logger`, `onState`
   * @throws KafkaError ERR__INVALID_ARG for an unknown property or a bad value
   */
  constructor (options: ConsumerOptions) {
    this.#options = options
    this.#membership = new Membership(options)
    this.#readErrors = new ReadErrors(options)
    this.#unhandled = new UnhandledTopics(options)
    this.#stall = new Stall(options)
    this.#readRights = new ReadRights(options, { topics: 'the topics', group: `the group ${options['group.id'] ?? options['groupId']}` }, async () => await this.#handle.hiddenTopics())
    this.#startingPoints = new StartingPoints(loggerOf(options))
    this.#handle = this.#newHandle()
    // Otherwise it opens with the first `consume`: an open handle keeps the process alive.
    if (options.onState ?? options.onStatistics) this.#handle.open().catch(() => {})
  }

  /**
   * Joins the group and hands out messages from the group's committed offset or, without one, as `auto.offset.reset` says
   * (README.md, "Where a group starts"). The stream of a closed consumer ends at once. Several streams share the messages: each
   * message goes to one of them. Rejects with a KafkaError where librdkafka refuses a setting, or has failed for good.
   */
  async consume ({ topics }: { topics: string[] }): Promise<MessageStream> {
    if (!this.#isClosed) await this.#handle.open()
    const stream = new MessageStream(() => this.#handle.take(), () => { this.#streams.delete(stream) })
    if (topics.length === 0) loggerOf(this.#options).warn({}, 'kafka: nothing is read, because nothing was subscribed to before: call subscribe first, once, with all topics')
    if (this.#failure !== undefined) throw this.#failure
    if (this.#isClosed) await stream.close()
    if (this.#isClosed) return stream
    this.#streams.add(stream)
    this.#topics = topics
    this.#handle.subscribe(topics)
    return stream
  }

  /**
   * Marks messages, each by its own offset, as committed. The watermark is committed to the broker in the background. Never
   * rejects: a commit of a message that is not in flight here (its partition was given up) is dropped with a log line.
   */
  async commit ({ offsets }: { offsets: Offset[] }): Promise<void> {
    for (const { topic, partition, offset } of offsets) this.#handle.commit(topic, partition, Number(offset))
    this.#wake()
  }

  /** The newest stream first, so that the plugin's batch mode gets messages beside `consume()`. */
  #wake (): void {
    for (const stream of [...this.#streams].reverse()) stream.wake()
  }

  /** Waits for messages in flight for at most 3 s, commits and leaves the group: 5 s at most, whatever the broker does. */
  async close (): Promise<void> {
    return await (this.#closing ??= this.#close())
  }

  async #close (): Promise<void> {
    this.#isClosed = true
    for (const stream of this.#streams) await stream.close()
    await this.#handle.close()
  }

  #newHandle (): ConsumerHandle {
    return new ConsumerHandle(this.#options, this.#startingPoints, {
      assigned: partitions => this.#membership.assigned(partitions),
      statistics: (statistics, partitions, unhandled, flow) => {
        this.#membership.check(statistics, partitions)
        this.#unhandled.check(unhandled)
        this.#stall.check(flow)
        this.#readErrors.check()
        this.#readRights.check(statistics)
      },
      failed: (error, place) => this.#readRights.report(error, place.topic) || this.#readErrors.report(error, place),
      found: () => this.#wake(),
      fatal: error => this.#fail(error),
      brokersLost: error => this.#replace(error)
    })
  }

  /** Replaces the handle by a new member, which starts at the committed offsets: messages in flight are delivered again. */
  #replace (error: KafkaError): void {
    if (this.#isClosed) return
    loggerOf(this.#options).warn({ err: error }, 'kafka: consumer replaced')
    this.#handle.abandon()
    const handle = this.#handle = this.#newHandle()
    const subscribe = () => { if (!this.#isClosed && this.#topics.length > 0) handle.subscribe(this.#topics) }
    handle.open().then(subscribe, () => {}).catch(cause => this.#fail(KafkaError.from(cause)))
  }

  #fail (error: KafkaError): void {
    if (this.#isClosed || this.#failure !== undefined) return
    this.#failure = error
    if (this.#options.onState === undefined) loggerOf(this.#options).error({ err: error }, 'kafka: the consumer has failed, nothing is read any more')
    else this.#options.onState({ type: 'fatal', error })
    for (const stream of this.#streams) stream.fail(error)
  }
}
