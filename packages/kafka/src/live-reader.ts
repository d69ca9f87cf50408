import { setImmediate, setTimeout as delay } from 'node:timers/promises'
import { KafkaError } from './errors.js'
import { away, throttleRepeats } from './handle.js'
import { LiveHandle, type PartitionOffset } from './live-handle.js'
import type { ReadMessage } from './native-batch.js'
import { unreadable } from './read-errors.js'
import { ReadRights } from './read-rights.js'
import { toMessage } from './record.js'
import { loggerOf } from './logger.js'
import type { ClientOptions } from './client-options.js'
import type { StoredMessage } from './types.js'

/** Pauses in ms: between searches for a missing topic, between searches for new partitions, and after an error. */
const [searchPauseMs, refreshPauseMs, errorPauseMs] = [200, 5000, 100]

/**
 * Reads new records of a topic: all partitions, by manual assignment, in no group, without commits. For messages to every
 * instance that are useless to an instance started later, such as replies.
 *
 * - `ready` resolves when the end of each partition is known: records written after that are handed out.
 * - A missing topic is waited for. Partitions added later are found within 5 s and read from their start.
 * - It keeps its offsets while no broker answers. If they are out of range then (records were removed, or the topic was
 *   recreated), it reads from the oldest record.
 * - An unreadable batch is skipped: its partition continues at its end.
 */
export class LiveReader {
  /** Resolves when it reads from the end of each partition; rejects where a setting is refused, or the reader was closed first. */
  readonly ready: Promise<void>
  readonly #options: ClientOptions
  readonly #topic: string
  readonly #onMessage: (message: StoredMessage) => void
  readonly #stop = new AbortController()
  readonly #stopSearch = new AbortController()
  readonly #isNew = throttleRepeats()
  readonly #rights: ReadRights
  /** The next offset of each partition. */
  readonly #next = new Map<number, number>()
  #handle: LiveHandle
  #running: Promise<unknown>
  #settle: { resolve: () => void, reject: (error: unknown) => void } = { resolve () {}, reject () {} }

  /**
   * @param options librdkafka's properties, the plugin's names, and `logger`, `onState`
   * @param onMessage called on the event loop with each record; an error that it throws is logged
   * @throws KafkaError ERR__INVALID_ARG for an unknown property or a bad value
   */
  constructor (options: ClientOptions, topic: string, onMessage: (message: StoredMessage) => void) {
    this.#options = options
    this.#topic = topic
    this.#onMessage = onMessage
    this.#rights = new ReadRights(options, { topics: topic }, async () => await this.#handle.partitions(false) > 0 ? [] : [topic])
    this.ready = new Promise<void>((resolve, reject) => { this.#settle = { resolve, reject } })
    this.ready.catch(() => {}) // handled where it is awaited
    this.#handle = this.#newHandle()
    this.#running = this.#run(this.#handle)
  }

  /** Ends the search for new partitions; reading goes on. An unanswered request would delay the reader's end by 2 s. */
  stopSearch (): void {
    this.#stopSearch.abort()
  }

  /** Ends reading; 4 s at most, whatever the broker does. */
  async close (): Promise<void> {
    this.#stop.abort()
    this.stopSearch()
    this.#handle.stop()
    this.#settle.reject(new KafkaError('ERR__STATE', 'The reader was closed'))
    await this.#running
    await this.#handle.close()
  }

  #newHandle (): LiveHandle {
    const handle: LiveHandle = new LiveHandle(this.#options, this.#topic, this.#rights, error => { if (this.#isCurrent(handle)) this.#replace(error) })
    return handle
  }

  /** Creates a handle that continues at the same offsets. */
  #replace (error: KafkaError): void {
    loggerOf(this.#options).warn({ err: error, topic: this.#topic }, 'kafka: live reader replaced')
    const [before, ended] = [this.#handle, this.#running]
    before.stop()
    const handle = this.#handle = this.#newHandle()
    this.#running = Promise.all([ended.then(() => before.close()), this.#run(handle)])
  }

  async #run (handle: LiveHandle): Promise<void> {
    const from = [...this.#next].map(([partition, offset]) => ({ partition, offset })) // of the replaced handle
    try {
      await handle.opened
      if (from.length > 0) handle.add(from)
      await Promise.all([this.#watch(handle), this.#poll(handle)])
    } catch (cause) {
      this.#settle.reject(cause)
      if (this.#isCurrent(handle)) this.#options.onState?.({ type: 'fatal', error: KafkaError.from(cause) })
    }
  }

  #isCurrent (handle: LiveHandle): boolean {
    return handle === this.#handle && !this.#stop.signal.aborted
  }

  /** Searches for the topic, then for new partitions. */
  async #watch (handle: LiveHandle): Promise<void> {
    while (this.#isCurrent(handle) && !this.#stopSearch.signal.aborted) {
      await this.#addPartitions(handle).catch(error => this.#failed(error))
      await delay(this.#next.size > 0 ? refreshPauseMs : searchPauseMs, undefined, { signal: this.#stopSearch.signal }).catch(() => {})
    }
  }

  async #addPartitions (handle: LiveHandle): Promise<void> {
    const isReady = this.#next.size > 0
    const count = await handle.partitions(isReady)
    const added = [...Array(count).keys()].filter(partition => !this.#next.has(partition))
    if (added.length === 0) return
    const from: PartitionOffset[] = [] // one after the other: each request occupies a thread of libuv's pool
    for (const partition of added) from.push({ partition, offset: isReady ? 0 : await handle.end(partition) })
    if (!this.#isCurrent(handle)) return
    handle.add(from)
    this.#setNext(from)
    loggerOf(this.#options).info({ topic: this.#topic, added }, 'kafka: reading what comes from now on')
    this.#settle.resolve()
  }

  async #poll (handle: LiveHandle): Promise<void> {
    while (this.#isCurrent(handle)) {
      const { messages, errors, isEmptied } = await handle.poll()
      for (const message of messages) if (this.#isCurrent(handle)) this.#handOut(message)
      for (const { error } of errors) this.#failed(error)
      if (errors.length > 0) await delay(errorPauseMs)
      const lost = new Set(errors.filter(({ error }) => unreadable.has(error.codeName)).map(({ partition }) => partition))
      if (this.#isCurrent(handle)) await this.#skipToEnd(handle, lost).catch(error => this.#failed(error))
      if (!isEmptied || messages.length > 0) await setImmediate() // a wake-up may come in the same turn
    }
  }

  #handOut (message: ReadMessage): void {
    this.#next.set(message.partition, message.offset + 1)
    try {
      this.#onMessage(toMessage(message, () => {}))
    } catch (err) {
      loggerOf(this.#options).error({ err, topic: this.#topic, partition: message.partition, offset: message.offset }, 'kafka: a listener has failed')
    }
  }

  async #skipToEnd (handle: LiveHandle, lost: Set<number>): Promise<void> {
    const ends: PartitionOffset[] = []
    for (const partition of lost) ends.push({ partition, offset: await handle.end(partition) })
    if (ends.length === 0) return
    handle.move(ends)
    this.#setNext(ends)
  }

  #setNext (at: PartitionOffset[]): void { for (const { partition, offset } of at) this.#next.set(partition, offset) }

  #failed (error: unknown): void {
    const logger = loggerOf(this.#options)
    const err = KafkaError.from(error)
    logger[away.has(err.codeName) || !this.#isNew(err) ? 'debug' : 'warn']({ err, topic: this.#topic }, 'kafka: error while reading')
  }
}
