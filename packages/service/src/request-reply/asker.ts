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
  /** From the call to the reply. Without one in time the ask fails with `ERR_ASK_TIMEOUT`. */
  timeoutMs: number
  /** Ends the wait; the ask then rejects with its reason. */
  signal?: AbortSignal | undefined
  /** Of the request or event that made somebody ask: its trace goes on. */
  traceparent?: string | undefined
  /** Id of the event that made somebody ask. */
  causationId?: string | undefined
}

interface AskerOptions {
  /** `source` of the requests. */
  source: string
  kafkaName: (name: string) => string
  connection: ClientOptions
  /** Of the reader of the replies. */
  reader: ClientOptions
  producer: () => Pick<Producer, 'send'>
  metrics: RequestReplyMetrics
  log: FastifyBaseLogger
}

/** The asks of one topic: sends requests, and reads all partitions of the reply topic. */
export class Asker<Data extends TSchema, Reply extends TSchema> {
  readonly #topic: RequestTopic<Data, Reply>
  readonly #options: AskerOptions
  /** Of the topics, as the broker knows them. */
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

  /** Creates the topics where they are missing, and reads replies from now on. An ask does so too, and waits for it. */
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
   * @throws AskError, ReplyError, the reason of the signal; a TypeError for data that are no request, which names the members
   * and quotes no value
   */
  async ask (data: Static<Data>, options: AskOptions): Promise<Static<Reply>> {
    const checked = this.#check(data)
    if (!checked.ok) throw new TypeError(`no request of ${this.#topic.name}: ${checked.error?.replaceAll('event', 'data')}`)
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

  /** Whether it has stood at the end of each partition of the reply topic. */
  get isReady (): boolean {
    return this.#isReady
  }

  /** See `PendingReplies.closeWithin`. */
  closeWithin (ms: number): void {
    this.#stop.abort()
    this.#reader?.stopSearch()
    this.#pending.closeWithin(ms)
  }

  /** Rejects what still waits, and ends reading. */
  async close (): Promise<void> {
    this.#pending.closeWithin(0)
    await this.#reader?.close()
  }

  /** Not before the reader stands at the end of each partition: a reply that came earlier would be missed. */
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
