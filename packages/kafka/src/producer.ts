import { Backlog } from './backlog.js'
import { KafkaError } from './errors.js'
import { InFlight, type Pending } from './in-flight.js'
import { producerConfiguration, type Configuration } from './options.js'
import { ProducerHandle } from './producer-handle.js'
import { encodeHeaders, type EncodedHeaders } from './record.js'
import { isRefusal, Refusals } from './refusals.js'
import { loggerOf } from './logger.js'
import type { ProducerOptions } from './client-options.js'
import type { Delivery, OutgoingMessage } from './types.js'

/** The requests that librdkafka keeps in flight to a broker (five, with idempotence), less the next one. */
const fewInFlight = 4
/** From this many messages in flight on, a turn of the event loop gathers enough. */
const manyInFlight = 250
/** Pause before a handle is replaced after a fatal error, in ms; doubled each time that none of its messages was acknowledged. */
const firstPauseMs = 1000
const longestPauseMs = 8000
/** Name for refusals that concern no topic, such as the id of an idempotent producer. */
const cluster = 'the cluster'

/** A producer on librdkafka with the interface that @fastify/kafka calls. */
export class Producer {
  readonly #options: ProducerOptions
  readonly #configuration: Configuration
  /** Added to every message. */
  readonly #headers: EncodedHeaders | undefined
  #handle: ProducerHandle
  #isClosed = false
  #closing: Promise<void> | undefined
  #failure: KafkaError | undefined
  #replacing: NodeJS.Timeout | undefined
  #pauseMs = firstPauseMs
  readonly #refusals: Refusals
  readonly #inFlight = new InFlight()
  /** Messages not yet handed over: lingering, or waiting for the handle to open or for a full local queue. */
  readonly #waiting: Backlog
  /** Fetches events (a broker lost or back) and rejects messages that have waited too long. */
  readonly #everySecond: NodeJS.Timeout

  /**
   * @param options librdkafka's properties, the plugin's names, and `logger`, `onState`, `headers`
   * @throws KafkaError ERR__INVALID_ARG for an unknown property, a bad value, or a header that is not text
   */
  constructor (options: ProducerOptions) {
    this.#options = options
    this.#refusals = new Refusals(options)
    this.#configuration = producerConfiguration(options)
    this.#headers = encodeHeaders(options.headers)
    this.#waiting = new Backlog(Number(this.#configuration.topic['message.timeout.ms']) || Infinity, {
      isLingering: () => this.#isWorthGathering(),
      isIdle: () => this.#inFlight.size === 0,
      take: pendings => this.#handle.send(pendings)
    })
    this.#handle = this.#newHandle()
    // Otherwise it opens with the first `send`: an open handle keeps the process alive.
    if (options.onState ?? options.onStatistics) this.#handle.open()
    this.#everySecond = setInterval(() => {
      if (this.#handle.isOpen) this.#handle.poll()
      this.#waiting.expire()
    }, 1000).unref()
  }

  /**
   * Sends records. Resolves with the partition and offset of each, when the broker has acknowledged all of them. Waits while the
   * local queue (`queue.buffering.max.messages`, `.kbytes`) is full. Buffers must not be changed until it resolves.
   * Rejects with a KafkaError: ERR__MSG_TIMED_OUT about `message.timeout.ms` after the broker became unreachable,
   * ERR_MSG_SIZE_TOO_LARGE, ERR__INVALID_ARG, …
   */
  send ({ messages }: { messages: OutgoingMessage[] }): Promise<Delivery[]> {
    const only = messages.length === 1 ? messages[0] : undefined
    if (only !== undefined) return this.#send(only)
    return Promise.all(messages.map(message => this.#send(message))).then(all => all.flat())
  }

  /** Flushes for at most 4 s (1 s less than `closeTimeoutMs`), rejects the remaining messages with ERR__DESTROY and frees the handle; 5 s in all. */
  async close (): Promise<void> {
    return await (this.#closing ??= this.#close())
  }

  async #close (): Promise<void> {
    this.#isClosed = true
    if (this.#handle.isBegun) await this.#handle.open()
    const until = performance.now() + Math.max(0, (this.#options.closeTimeoutMs ?? 5000) - 1000)
    while (this.#inFlight.size + this.#waiting.length > 0 && this.#handle.isOpen && this.#handle.isConnected && performance.now() < until) {
      await this.#handle.flush(100)
    }
    this.#handle.stop()
    clearInterval(this.#everySecond)
    clearTimeout(this.#replacing)
    this.#rejectAll(new KafkaError('ERR__DESTROY', 'The producer was closed before the broker acknowledged the message'))
    await this.#handle.free()
  }

  #newHandle (): ProducerHandle {
    const handle = new ProducerHandle(this.#configuration, this.#options, this.#inFlight, {
      opened: () => this.#waiting.wake(),
      refused: error => {
        this.#failure = error
        this.#rejectAll(error)
        this.#options.onState?.({ type: 'fatal', error })
      },
      acknowledged: (pending, delivery) => {
        this.#pauseMs = firstPauseMs
        pending.resolve([delivery])
        this.#refusals.allowed(cluster, delivery.topic)
      },
      failed: (pending, error) => {
        pending.reject(error)
        if (isRefusal(error)) this.#refusals.refused(pending.message.topic, error)
      },
      settled: () => this.#waiting.wake(),
      fatal: error => { if (handle === this.#handle) this.#replace(error) },
      statistics: ({ eos }) => { if (eos?.idemp_state === 'Assigned') this.#refusals.allowed(cluster) },
      headersOf: headers => headers === undefined ? this.#headers : encodeHeaders(this.#options.headers, headers),
      isUnresponsive: () => this.#inFlight.isUnanswered(),
      isClosed: () => this.#isClosed
    })
    return handle
  }

  /**
   * After a fatal error the handle's messages are rejected, and later ones wait for a new handle. It is created after a pause,
   * because most causes, such as a missing right, last.
   */
  #replace (error: KafkaError): void {
    if (this.#isClosed || this.#replacing !== undefined) return
    if (isRefusal(error)) this.#refusals.refused(cluster, error)
    loggerOf(this.#options).warn({ err: error, afterMs: this.#pauseMs }, 'kafka: producer replaced')
    this.#handle.stop()
    this.#rejectAll(error)
    this.#handle.free()
    this.#replacing = setTimeout(() => {
      this.#replacing = undefined
      this.#handle = this.#newHandle()
      this.#handle.open()
    }, this.#pauseMs).unref()
    this.#pauseMs = Math.min(this.#pauseMs * 2, longestPauseMs)
  }

  #send (message: OutgoingMessage): Promise<Delivery[]> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw new KafkaError('ERR__STATE', 'The producer is closed')
      if (this.#failure) throw this.#failure
      const pending: Pending = { message, resolve, reject }
      const isAlone = this.#inFlight.size + this.#waiting.length === 0
      if (!isAlone || this.#handle.send([pending]) === 0) this.#waiting.push(pending)
      if (!this.#handle.isOpen && this.#replacing === undefined) this.#handle.open()
    })
  }

  /**
   * With at most 4 messages in flight, none waits. With more, a request costs more than its messages, so messages linger and
   * share requests. With over 250, a turn of the event loop gathers enough.
   */
  #isWorthGathering (): boolean {
    const { size } = this.#inFlight
    return size > fewInFlight && size <= manyInFlight
  }

  #rejectAll (error: KafkaError): void {
    for (const { reject } of [...this.#inFlight.takeAll(), ...this.#waiting.take()]) reject(error)
  }
}
