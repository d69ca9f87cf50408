import rdkafka from 'node-rdkafka'
import { KafkaError } from './errors.js'
import { withTimeout, create, connectAttachable, bindEvents } from './handle.js'
import type { InFlight, Pending } from './in-flight.js'
import { attachable, NativeHandle } from './native.js'
import type { Configuration } from './options.js'
import { PackedRecords } from './packed-records.js'
import type { EncodedHeaders } from './record.js'
import type { ClientOptions, Delivery, HeadersToSend, Statistics } from './types.js'

/** What a handle tells of itself and of its messages, and what it asks. */
interface Listener {
  opened: () => void
  /** A setting that librdkafka checks only when it is opened: it will never open. */
  refused: (error: KafkaError) => void
  acknowledged: (pending: Pending, delivery: Delivery) => void
  failed: (pending: Pending, error: KafkaError) => void
  /** After acknowledgements and failures: there may be room again. */
  settled: () => void
  /** It never sends again: idempotence is lost, or it knows no broker any more. */
  fatal: (error: KafkaError) => void
  /** Every second. */
  statistics: (statistics: Statistics) => void
  /** @throws KafkaError for headers that are refused */
  headersOf: (headers: HeadersToSend | undefined) => EncodedHeaders | undefined
  isUnresponsive: () => boolean
  isClosed: () => boolean
}

/** One handle of librdkafka's, from its opening to its end. */
export class ProducerHandle {
  isOpen = false
  /** Resolves when it is open or refused. */
  readonly opened: Promise<void>
  readonly #handle: rdkafka.Producer
  readonly #inFlight: InFlight
  readonly #on: Listener
  /** Filled and sent within one call. */
  readonly #records = new PackedRecords()
  #native: NativeHandle | undefined
  #isStopped = false

  /**
   * @param inFlight what it has taken and not answered yet
   * @throws KafkaError where the binding throws: for a property that it does not know, or a bad value; ERR__STATE without the addon
   */
  constructor ({ global, topic }: Configuration, options: ClientOptions, inFlight: InFlight, on: Listener) {
    this.#inFlight = inFlight
    this.#on = on
    const { name, properties } = attachable(global)
    const newHandle = (global: object) => new rdkafka.Producer({ ...global }, { ...topic })
    this.#handle = create(() => newHandle(properties))
    bindEvents(this.#handle, options, { ...on, brokersLost: on.fatal, isClosed: () => this.#isStopped || on.isClosed() })
    this.opened = connectAttachable(this.#handle, global, newHandle).then(() => {
      if (this.#isStopped) return
      this.#native = new NativeHandle(name, this.#handle, () => this.#settle())
      this.isOpen = true
      on.opened()
    }).catch(cause => on.refused(KafkaError.from(cause)))
  }

  get isConnected (): boolean {
    return this.#handle.isConnected()
  }

  /**
   * Hands messages to librdkafka in their order, and ends those that are refused. Returns how many of them are dealt with:
   * fewer than all where its queue is full, or one call holds no more.
   */
  send (pendings: Pending[]): number {
    if (this.#native === undefined) return 0
    const ids: number[] = []
    /** Of each id: where its message stands. */
    const places: number[] = []
    this.#records.clear()
    let place = 0
    for (; place < pendings.length && !this.#records.isFull; place++) {
      const pending = pendings[place] as Pending
      try {
        ids.push(this.#pack(this.#native, pending))
        places.push(place)
      } catch (cause) {
        if (ids.length > 0) break // what stands before it may have to be packed again, and so would this
        pending.reject(KafkaError.from(cause))
      }
    }
    const sent = this.#native.send(this.#records)
    ids.forEach((id, index) => {
      const code = Number(this.#records.errors[index])
      if (index < sent && code === 0) return
      const pending = this.#inFlight.take(id)
      if (index < sent && pending !== undefined) this.#on.failed(pending, KafkaError.ofCode(code))
    })
    return places[sent] ?? place
  }

  /** Fetches what there is of events. */
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
    this.#native?.detach()
    this.#native = undefined
  }

  /** Frees it, when it was stopped; 1 s at most. */
  async free (): Promise<void> {
    await withTimeout(1000, done => this.isConnected ? this.#handle.disconnect(0, done) : done())
  }

  /** Returns the id that the message is in flight under. Throws where it is refused. */
  #pack (native: NativeHandle, pending: Pending): number {
    const id = this.#inFlight.add(pending)
    try {
      this.#records.add(native.topic(pending.message.topic), id, pending.message, this.#on.headersOf(pending.message.headers))
      return id
    } catch (cause) {
      this.#inFlight.take(id)
      throw cause
    }
  }

  /** Tells what became of records. What a listener throws for one of them is thrown when all are told. */
  #settle (): void {
    const all = this.#native?.acknowledgements() ?? []
    const thrown: unknown[] = []
    let isFailed = false
    for (let at = 0; at < all.length; at += 4) {
      const [id = -1, code = 0, partition = -1, offset = -1] = [all[at], all[at + 1], all[at + 2], all[at + 3]]
      const pending = this.#inFlight.take(id)
      isFailed ||= code !== 0
      try {
        if (pending === undefined) continue
        const error = code === 0 ? undefined : KafkaError.ofCode(code)
        if (error?.codeName.startsWith('ERR__') !== true) this.#inFlight.answered()
        if (error === undefined) this.#on.acknowledged(pending, { topic: pending.message.topic, partition, offset })
        else this.#on.failed(pending, error)
      } catch (error) {
        thrown.push(error)
      }
    }
    // node-rdkafka's own reports of them take up room in the queue until they are fetched.
    if (isFailed) this.poll()
    this.#on.settled()
    if (thrown.length > 0) throw thrown[0]
  }
}
