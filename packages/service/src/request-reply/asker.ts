import type { FastifyBaseLogger } from 'fastify'
import { createRequest, replyTopic, validator, type RequestTopic } from '@pair/events'
import { LiveReader, provisionTopics, type ClientOptions, type Producer, type StoredMessage } from '@pair/kafka'
import type { Static, TSchema } from 'typebox'
import { v7 as newId } from 'uuid'
import { AskError, isReplyError } from './errors.js'
import type { AskOutcome, RequestReplyMetrics } from './metrics.js'
import { PendingReplies, type PendingReply } from './pending-replies.js'
import { replyReceiver } from './reply-receiver.js'
import { requestSpan } from './span.js'

export interface AskOptions {
  /** Time limit from the call to the reply. The ask then fails with `ERR_ASK_TIMEOUT`. */
  timeoutMs: number
  /** Ends the wait: the ask rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** The traceparent of the HTTP request or event that caused the ask, whose trace continues. */
  traceparent?: string | undefined
  /** Id of the event that caused the ask. */
  causationId?: string | undefined
}

interface AskerOptions {
  /** `source` of the requests. */
  source: string
  kafkaName: (name: string) => string
  connection: ClientOptions
  /** Options of the client that reads the replies. */
  reader: ClientOptions
  producer: () => Pick<Producer, 'send'>
  metrics: RequestReplyMetrics
  log: FastifyBaseLogger
}

/** Sends the requests of one topic, and reads all partitions of its reply topic. */
export class Asker<Data extends TSchema, Reply extends TSchema> {
  readonly #topic: RequestTopic<Data, Reply>
  readonly #options: AskerOptions
  /** Names of the topics on the broker. */
  readonly #name: string
  readonly #replyName: string
  readonly #pending: PendingReplies<Static<Reply>>
  readonly #metrics: ReturnType<RequestReplyMetrics['asksOf']>
  readonly #check: (data: unknown) => { ok: boolean, error?: string }
  readonly #receive: (message: StoredMessage) => void
  readonly #stop = new AbortController()
  #reader: LiveReader | undefined
  #isReady = false

  constructor (topic: RequestTopic<Data, Reply>, options: AskerOptions) {
    this.#topic = topic
    this.#options = options
    this.#name = options.kafkaName(topic.name)
    this.#pending = new PendingReplies(topic.name)
    this.#replyName = options.kafkaName(replyTopic(topic).name)
    this.#metrics = options.metrics.asksOf(this.#name, this.#replyName, () => this.#pending.size)
    this.#check = validator(topic.data)
    this.#receive = replyReceiver(topic, this.#pending, { dropped: this.#metrics.dropped, log: options.log })
  }

  /** Creates missing topics and starts reading replies. `ask` does the same, and waits until replies are read. */
  open (): LiveReader {
    if (this.#reader !== undefined) return this.#reader
    const { connection, reader, kafkaName, log } = this.#options
    const topics = [this.#topic, replyTopic(this.#topic)].map(({ name, partitions, config }) => ({ name: kafkaName(name), partitions, config }))
    provisionTopics(connection, topics, { logger: log, signal: this.#stop.signal })
    this.#reader = new LiveReader(reader, this.#replyName, this.#receive)
    this.#reader.ready.then(() => { this.#isReady = true }, () => {})
    return this.#reader
  }

  /**
   * @throws AskError, ReplyError, the reason of the signal; a TypeError for invalid data, which names the members and quotes no
   * value
   */
  async ask (data: Static<Data>, options: AskOptions): Promise<Static<Reply>> {
    const checked = this.#check(data)
    if (!checked.ok) throw new TypeError(`invalid request of ${this.#topic.name}: ${checked.error?.replaceAll('event', 'data')}`)
    const sinceMs = performance.now()
    try {
      const pending = this.#pending.open(options.timeoutMs, options.signal)
      this.#send(pending, data, options).catch((cause: Error) => pending.reject(new AskError('ERR_ASK_NOT_SENT', `the request of ${this.#topic.name} was not sent`, { cause })))
      const reply = await pending.reply
      this.#metrics.asks.answered += 1
      this.#metrics.duration.observe((performance.now() - sinceMs) / 1000)
      return reply
    } catch (error) {
      if (!(error instanceof RangeError)) this.#metrics.asks[outcomeOf(error)] += 1
      throw error
    }
  }

  /** Whether the reader has reached the end of each partition of the reply topic. */
  get isReady (): boolean {
    return this.#isReady
  }

  /** See `PendingReplies.closeWithin`. */
  closeWithin (ms: number): void {
    this.#stop.abort()
    this.#reader?.stopSearch()
    this.#pending.closeWithin(ms)
  }

  /** Rejects the pending asks and stops reading. */
  async close (): Promise<void> {
    this.#pending.closeWithin(0)
    await this.#reader?.close()
  }

  /** Sends the request when the reader has reached the end of each partition: an earlier reply would be missed. */
  async #send (pending: PendingReply<Static<Reply>>, data: Static<Data>, { traceparent, causationId }: AskOptions): Promise<void> {
    await this.open().ready
    if (pending.isSettled) return
    const { correlationId, expires } = pending
    const request = createRequest(this.#topic, { id: newId(), source: this.#options.source, time: new Date(), traceparent, data, correlationId, causationId, expires })
    const message = { topic: this.#name, key: correlationId, value: JSON.stringify(request) }
    await requestSpan(message.topic, request, async () => await this.#options.producer().send({ messages: [message] }))
  }
}

const outcomes: Record<string, AskOutcome> = {
  ERR_ASK_TIMEOUT: 'timeout', ERR_ASK_NOT_SENT: 'not-sent', ERR_ASK_OVERLOAD: 'overload', ERR_ASK_CLOSED: 'closed'
}

function outcomeOf (error: unknown): AskOutcome {
  if (isReplyError(error)) return 'refused'
  return outcomes[String((error as { code?: unknown } | undefined)?.code)] ?? 'aborted'
}
