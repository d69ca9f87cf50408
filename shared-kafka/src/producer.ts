import rdkafka from 'node-rdkafka'
import { Backlog } from './backlog.js'
import { DeliveryReports } from './delivery-reports.js'
import { KafkaError } from './errors.js'
import { atMost, make, open, watch } from './handle.js'
import { InFlight, type Pending } from './in-flight.js'
import { producerConfiguration, type Configuration } from './options.js'
import { encode, toHeaders, type RecordHeaders } from './record.js'
import type { ClientOptions, Delivery, Headers, OutgoingMessage } from './types.js'

/** Nothing acknowledged for this long, with something in flight: a broker that is connected and does not answer. */
const silentAfterMs = 5000

/** A producer on librdkafka, of the shape that @fastify/kafka calls. */
export class Producer {
  readonly #options: ClientOptions
  readonly #configuration: Configuration
  /** Those that every message gets. */
  readonly #headers: RecordHeaders | undefined
  #handle: rdkafka.Producer
  #reports: DeliveryReports
  #isOpen = false
  #isClosed = false
  #failure: KafkaError | undefined
  readonly #inFlight = new InFlight()
  /** Since when something has been in flight and nothing answered; brought up to date by `#isSilent`. */
  #quietSince = 0
  #isAnswered = false
  /** Not handed over yet: the handle is opening, or librdkafka's queue is full. */
  readonly #waiting: Backlog
  #opened: Promise<void> = Promise.resolve()
  /** Beside sending: fetches events (a broker gone or back) and ends what has waited for too long. */
  readonly #everySecond: NodeJS.Timeout

  /**
   * @param options librdkafka's properties, the plugin's names, and `logger`, `onState`, `headers`
   * @throws KafkaError ERR__INVALID_ARG for a property that librdkafka does not know, or a value that it refuses; for a header that is not text
   */
  constructor (options: ClientOptions) {
    this.#options = options
    this.#configuration = producerConfiguration(options)
    this.#headers = toHeaders(options.headers)
    this.#waiting = new Backlog(Number(this.#configuration.topic['message.timeout.ms']) || Infinity)
    const { handle, reports } = this.#connect()
    this.#handle = handle
    this.#reports = reports
    this.#everySecond = setInterval(() => {
      if (this.#isOpen) this.#handle.poll()
      this.#waiting.expire()
    }, 1000).unref()
  }

  /**
   * Sends records; resolves with where each is stored once the broker has acknowledged them all. A full local queue
   * (`queue.buffering.max.messages`, `.kbytes`) makes the call wait.
   * Rejects with a KafkaError: ERR__MSG_TIMED_OUT about `message.timeout.ms` after the broker went away,
   * ERR_MSG_SIZE_TOO_LARGE, ERR__INVALID_ARG, …
   */
  send ({ messages }: { messages: OutgoingMessage[] }): Promise<Delivery[]> {
    const only = messages.length === 1 ? messages[0] : undefined
    if (only !== undefined) return this.#send(only)
    return Promise.all(messages.map(message => this.#send(message))).then(all => all.flat())
  }

  /** Flushes for at most 4 s, rejects what is left with ERR__DESTROY and frees the handle; 5 s in all. */
  async close (): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#opened
    const until = performance.now() + 4000
    while (this.#inFlight.size + this.#waiting.length > 0 && this.#handle.isConnected() && performance.now() < until) {
      await new Promise<void>(resolve => this.#handle.flush(100, () => setImmediate(resolve)))
    }
    this.#reports.stop()
    clearInterval(this.#everySecond)
    this.#rejectAll(new KafkaError('ERR__DESTROY', 'The producer was closed before the broker acknowledged the message'))
    await atMost(1000, done => this.#handle.isConnected() ? this.#handle.disconnect(0, done) : done())
  }

  #connect (): { handle: rdkafka.Producer, reports: DeliveryReports } {
    const { global, topic } = this.#configuration
    const handle = make(() => new rdkafka.Producer({ ...global }, { ...topic }))
    handle.on('delivery-report', (error, { opaque, topic, partition, offset }) => {
      const pending: Pending = opaque
      if (!this.#inFlight.delete(pending)) return
      if (error) {
        const cause = KafkaError.from(error)
        if (!cause.codeName.startsWith('ERR__')) this.#isAnswered = true // by the broker, with a refusal
        pending.reject(cause)
      } else {
        this.#isAnswered = true
        pending.resolve([{ topic, partition, offset }])
      }
      if (this.#waiting.length > 0) this.#drain()
      this.#reports.fetch()
    })
    watch(handle, this.#options, {
      fatal: error => { if (handle === this.#handle) this.#replace(error) },
      isSilent: () => this.#isSilent(),
      isClosed: () => this.#isClosed
    })
    this.#opened = open(handle).then(() => {
      this.#isOpen = true
      this.#drain()
    }, (error: KafkaError) => {
      this.#failure = error
      this.#rejectAll(error)
      this.#options.onState?.({ type: 'fatal', error })
    })
    return { handle, reports: new DeliveryReports(handle, () => this.#inFlight.size) }
  }

  /** After a fatal error (idempotence lost) a handle never sends again: the messages fail, the next ones get a new handle. */
  #replace (error: KafkaError): void {
    if (this.#isClosed) return
    const old = this.#handle
    this.#options.logger?.warn({ err: error }, 'kafka: producer replaced after a fatal error')
    this.#isOpen = false
    this.#reports.stop()
    this.#rejectAll(error)
    const { handle, reports } = this.#connect()
    this.#handle = handle
    this.#reports = reports
    old.disconnect(0)
  }

  #send (message: OutgoingMessage): Promise<Delivery[]> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw new KafkaError('ERR__STATE', 'The producer is closed')
      if (this.#failure) throw this.#failure
      const pending: Pending = { message, resolve, reject, place: 0 }
      if (!this.#isOpen || this.#waiting.length > 0 || !this.#produce(pending)) this.#waiting.push(pending)
    })
  }

  /** Hands one record to librdkafka. False where its queue is full. */
  #produce (pending: Pending): boolean {
    const { topic, partition, key, value, headers } = pending.message
    try {
      this.#handle.produce(topic, partition, encode(value), encode(key), undefined, pending, this.#headersOf(headers))
    } catch (cause) {
      const error = KafkaError.from(cause)
      if (error.codeName === 'ERR__QUEUE_FULL') return false
      pending.reject(error)
      return true
    }
    if (this.#inFlight.size === 0) this.#quietSince = performance.now()
    this.#inFlight.add(pending)
    this.#reports.fetch()
    return true
  }

  #headersOf (headers: Headers | undefined): RecordHeaders | undefined {
    return headers === undefined ? this.#headers : toHeaders([...this.#options.headers ?? [], ...headers])
  }

  #drain (): void {
    if (this.#isOpen) this.#waiting.drain(pending => this.#produce(pending))
  }

  #isSilent (): boolean {
    const now = performance.now()
    if (this.#isAnswered) this.#quietSince = now
    this.#isAnswered = false
    return this.#inFlight.size > 0 && now - this.#quietSince > silentAfterMs
  }

  #rejectAll (error: KafkaError): void {
    for (const { reject } of [...this.#inFlight.take(), ...this.#waiting.take()]) reject(error)
  }
}
