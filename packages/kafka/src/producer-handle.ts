import rdkafka from 'node-rdkafka'
import { DeliveryReports } from './delivery-reports.js'
import { KafkaError } from './errors.js'
import { withTimeout, create, connect, bindEvents } from './handle.js'
import type { Pending } from './in-flight.js'
import type { Configuration } from './options.js'
import { encode, type RecordHeaders } from './record.js'
import type { ClientOptions, Delivery, Statistics } from './types.js'

/** What a handle tells of itself and of its messages. */
interface Listener {
  opened: () => void
  /** A setting that librdkafka checks only when it is opened: it will never open. */
  refused: (error: KafkaError) => void
  acknowledged: (pending: Pending, delivery: Delivery) => void
  failed: (pending: Pending, error: KafkaError) => void
  /** It never sends again: idempotence is lost, or it knows no broker any more. */
  fatal: (error: KafkaError) => void
  /** Every second. */
  statistics: (statistics: Statistics) => void
  inFlight: () => number
  isUnresponsive: () => boolean
  isClosed: () => boolean
}

/** One handle of librdkafka's, from its opening to its end, with its delivery reports. */
export class ProducerHandle {
  isOpen = false
  /** Resolves when it is open or refused. */
  readonly opened: Promise<void>
  readonly #handle: rdkafka.Producer
  readonly #reports: DeliveryReports
  #isStopped = false

  /** @throws KafkaError where the binding throws: for a property that it does not know, or a bad value */
  constructor ({ global, topic }: Configuration, options: ClientOptions, on: Listener) {
    this.#handle = create(() => new rdkafka.Producer({ ...global }, { ...topic }))
    this.#handle.on('delivery-report', (error, { opaque, topic, partition, offset }) => {
      if (error) on.failed(opaque, KafkaError.from(error))
      else on.acknowledged(opaque, { topic, partition, offset })
      this.#reports.fetch()
    })
    this.#reports = new DeliveryReports(this.#handle, on.inFlight)
    bindEvents(this.#handle, options, { ...on, brokersLost: on.fatal, isClosed: () => this.#isStopped || on.isClosed() })
    this.opened = connect(this.#handle).then(() => {
      this.isOpen = !this.#isStopped
      on.opened()
    }, on.refused)
  }

  get isConnected (): boolean {
    return this.#handle.isConnected()
  }

  /**
   * Hands one record to librdkafka. False where its queue is full.
   * @throws KafkaError for a record that it refuses
   */
  produce (pending: Pending, headers: RecordHeaders | undefined): boolean {
    const { topic, partition, key, value } = pending.message
    try {
      this.#handle.produce(topic, partition, encode(value), encode(key), undefined, pending, headers)
      return true
    } catch (cause) {
      const error = KafkaError.from(cause)
      if (error.codeName === 'ERR__QUEUE_FULL') return false
      throw error
    }
  }

  /** Sees to it that delivery reports come; to be called when the number in flight has changed. */
  fetchReports (): void {
    this.#reports.fetch()
  }

  /** Fetches what there is of reports and events. */
  poll (): void {
    this.#handle.poll()
  }

  /** Waits for what is in flight, for at most `limitMs`. */
  async flush (limitMs: number): Promise<void> {
    await new Promise<void>(resolve => this.#handle.flush(limitMs, () => setImmediate(resolve)))
  }

  /** Nothing comes of it any more. */
  stop (): void {
    this.isOpen = false
    this.#isStopped = true
    this.#reports.stop()
  }

  /** Frees it; 1 s at most. */
  async free (): Promise<void> {
    await withTimeout(1000, done => this.isConnected ? this.#handle.disconnect(0, done) : done())
  }
}
