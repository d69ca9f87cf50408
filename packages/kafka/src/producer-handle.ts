import rdkafka from 'node-rdkafka'
import { KafkaError } from './errors.js'
import { withTimeout, create, connectAttachable, bindEvents } from './handle.js'
import type { InFlight, Pending } from './in-flight.js'
import { attachable, NativeHandle } from './native.js'
import type { Configuration } from './options.js'
import { PackedRecords } from './packed-records.js'
import type { EncodedHeaders } from './record.js'
import type { ClientOptions } from './client-options.js'
import type { Delivery, HeadersToSend, Statistics } from './types.js'

/** Events of a handle and its messages, and the state of its producer. */
interface Listener {
  opened: () => void
  /** It will never open: a setting is refused that librdkafka checks only on opening. */
  refused: (error: KafkaError) => void
  acknowledged: (pending: Pending, delivery: Delivery) => void
  failed: (pending: Pending, error: KafkaError) => void
  /** After acknowledgements and failures: the local queue may have capacity again. */
  settled: () => void
  /** It never sends again: idempotence is lost, or it knows no broker. */
  fatal: (error: KafkaError) => void
  /** Every second. */
  statistics: (statistics: Statistics) => void
  /** @throws KafkaError for headers that are refused */
  headersOf: (headers: HeadersToSend | undefined) => EncodedHeaders | undefined
  isUnresponsive: () => boolean
  isClosed: () => boolean
}

/** One librdkafka handle, from opening to end. */
export class ProducerHandle {
  isOpen = false
  readonly #handle: rdkafka.Producer
  readonly #inFlight: InFlight
  readonly #on: Listener
  /** Filled and sent within one call of `send`. */
  readonly #records = new PackedRecords()
  readonly #connect: () => Promise<void>
  #opened: Promise<void> | undefined
  #native: NativeHandle | undefined
  #isStopped = false

  /**
   * @param inFlight gets the messages that were handed over and not answered
   * @throws KafkaError for an unknown property or a bad value; ERR__STATE without the addon
   */
  constructor ({ global, topic }: Configuration, options: ClientOptions, inFlight: InFlight, on: Listener) {
    this.#inFlight = inFlight
    this.#on = on
    const { name, properties } = attachable(global)
    const newHandle = (global: object) => new rdkafka.Producer({ ...global }, { ...topic })
    this.#handle = create(() => newHandle(properties))
    bindEvents(this.#handle, options, { ...on, brokersLost: on.fatal, isClosed: () => this.#isStopped || on.isClosed() })
    this.#connect = async () => {
      await connectAttachable(this.#handle, global, newHandle)
      if (this.#isStopped) return
      this.#native = new NativeHandle(name, this.#handle, () => this.#settle())
      this.isOpen = true
      on.opened()
    }
  }

  /** Opens it, once. Resolves when it is open or refused. */
  open (): Promise<void> {
    return (this.#opened ??= this.#connect().catch(cause => this.#on.refused(KafkaError.from(cause))))
  }

  /** Whether `open` was called. */
  get isBegun (): boolean {
    return this.#opened !== undefined
  }

  get isConnected (): boolean {
    return this.#handle.isConnected()
  }

  /**
   * Hands messages to librdkafka in order and rejects those that are refused. Returns how many were handed over or rejected:
   * fewer than all where the local queue is full, or one call takes no more.
   */
  send (pendings: Pending[]): number {
    if (this.#native === undefined) return 0
    const ids: number[] = []
    /** Index in `pendings` of each id's message. */
    const indices: number[] = []
    this.#records.clear()
    let next = 0
    for (; next < pendings.length && !this.#records.isFull; next++) {
      const pending = pendings[next] as Pending
      try {
        ids.push(this.#pack(this.#native, pending))
        indices.push(next)
      } catch (cause) {
        if (ids.length > 0) break // rejected in the next call: messages before it may not have been handed over
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
    return indices[sent] ?? next
  }

  /** Fetches events. */
  poll (): void {
    this.#handle.poll()
  }

  /** Waits for messages in flight, at most `limitMs`. */
  async flush (limitMs: number): Promise<void> {
    await new Promise<void>(resolve => this.#handle.flush(limitMs, () => setImmediate(resolve)))
  }

  /** Ends acknowledgements and events. */
  stop (): void {
    this.isOpen = false
    this.#isStopped = true
    this.#native?.detach()
    this.#native = undefined
  }

  /** Frees the handle, after `stop`; 1 s at most. */
  async free (): Promise<void> {
    await withTimeout(1000, done => this.isConnected ? this.#handle.disconnect(0, done) : done())
  }

  /** Adds a message to the records and to those in flight. Returns its id; throws where the message is refused. */
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

  /** Reports acknowledgements and failures. An error thrown by a listener is thrown after all have been reported. */
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
    // node-rdkafka's own reports of failures occupy the local queue until they are fetched.
    if (isFailed) this.poll()
    this.#on.settled()
    if (thrown.length > 0) throw thrown[0]
  }
}
