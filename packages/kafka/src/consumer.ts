import { ConsumerHandle } from './consumer-handle.js'
import { KafkaError } from './errors.js'
import { Membership } from './membership.js'
import { ReadErrors } from './read-errors.js'
import { ReadRights } from './read-rights.js'
import { Stall } from './stall.js'
import { MessageStream } from './stream.js'
import type { ClientOptions } from './types.js'
import { loggerOf } from './logger.js'
import { UnhandledTopics } from './unhandled.js'

interface Offset { topic: string, partition: number, offset: number | bigint }

/** A consumer on librdkafka, of the shape that @fastify/kafka calls. */
export class Consumer {
  readonly #options: ClientOptions
  readonly #membership: Membership
  readonly #readErrors: ReadErrors
  readonly #unhandled: UnhandledTopics
  readonly #stall: Stall
  readonly #readRights: ReadRights
  #handle: ConsumerHandle
  #topics: string[] = []
  readonly #streams = new Set<MessageStream>()
  #isClosed = false
  #hasFailed = false

  /**
   * @param options librdkafka's properties, the plugin's names, and `logger`, `onState`
   * @throws KafkaError ERR__INVALID_ARG for a property that librdkafka does not know, or a value that it refuses
   */
  constructor (options: ClientOptions) {
    this.#options = options
    this.#membership = new Membership(options)
    this.#readErrors = new ReadErrors(options)
    this.#unhandled = new UnhandledTopics(options)
    this.#stall = new Stall(options)
    this.#readRights = new ReadRights(options, { topics: 'the topics', group: `the group ${options['group.id'] ?? options['groupId']}` }, async () => await this.#handle.hiddenTopics())
    this.#handle = this.#newHandle()
  }

  /**
   * Joins the group and starts handing out messages: from the group's committed offset, from the earliest where there
   * is none. A closed consumer hands out nothing. Several streams share the messages: each goes to one of them. Rejects with a KafkaError where librdkafka refuses a setting.
   */
  async consume ({ topics }: { topics: string[] }): Promise<MessageStream> {
    await this.#handle.opened
    const stream = new MessageStream(() => this.#handle.take(), () => { this.#streams.delete(stream) })
    if (this.#isClosed) await stream.close()
    if (this.#isClosed) return stream
    this.#streams.add(stream)
    this.#topics = topics
    this.#handle.subscribe(topics)
    return stream
  }

  /**
   * Marks messages, each by its own offset, as committed. The broker hears of it in the background, as far as there is
   * no gap. Never rejects: a message that is not in flight here (its partition was given up) is dropped with a log line.
   */
  async commit ({ offsets }: { offsets: Offset[] }): Promise<void> {
    for (const { topic, partition, offset } of offsets) this.#handle.commit(topic, partition, Number(offset))
    this.#wake()
  }

  /** The newest first: a batch beside the flow gets what it asks for. */
  #wake (): void {
    for (const stream of [...this.#streams].reverse()) stream.wake()
  }

  /** Waits for messages in flight for at most 3 s, commits and leaves the group: 5 s at most, whatever the broker does. */
  async close (): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const stream of this.#streams) await stream.close()
    await this.#handle.close()
  }

  #newHandle (): ConsumerHandle {
    return new ConsumerHandle(this.#options, {
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

  /** A new member starts where the group has committed. What is in flight comes again, as after any loss of membership. */
  #replace (error: KafkaError): void {
    if (this.#isClosed) return
    loggerOf(this.#options).warn({ err: error }, 'kafka: consumer replaced')
    this.#handle.abandon()
    const handle = this.#handle = this.#newHandle()
    const subscribe = () => { if (!this.#isClosed && this.#topics.length > 0) handle.subscribe(this.#topics) }
    handle.opened.then(subscribe, () => {}).catch(cause => this.#fail(KafkaError.from(cause)))
  }

  #fail (error: KafkaError): void {
    if (this.#isClosed || this.#hasFailed) return
    this.#hasFailed = true
    this.#options.onState?.({ type: 'fatal', error })
    for (const stream of this.#streams) stream.fail(error)
  }
}
