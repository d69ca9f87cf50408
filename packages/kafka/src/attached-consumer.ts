import rdkafka from 'node-rdkafka'
import { Condition } from './condition.js'
import { KafkaError } from './errors.js'
import { connectAttachable, create, withTimeout } from './handle.js'
import { attachable, NativeHandle } from './native.js'
import type { Batch } from './native-batch.js'
import type { Configuration } from './options.js'

/** The longest time between two reads, in ms: events of the handle and its membership of the group depend on reads. */
const readIntervalMs = 1000
/** librdkafka's default of `max.poll.interval.ms`. */
const maxPollIntervalMs = 300_000

/**
 * A consumer of node-rdkafka's whose messages are read through the addon, and only there: with two readers the order is
 * lost, and node-rdkafka's `poll` crashes the process. To be read whenever `due` resolves.
 */
export class AttachedConsumer {
  /** For everything but messages. */
  readonly handle: rdkafka.KafkaConsumer
  /** Resolves when it is open, or stopped before; rejects with a KafkaError where a setting is refused. */
  readonly opened: Promise<void>
  /** Is checked at each wake-up; `due` waits for it. */
  readonly condition = new Condition()
  readonly #getMetadata: rdkafka.KafkaConsumer['getMetadata']
  readonly #intervalMs: number
  #native: NativeHandle | undefined
  /** There may be something to read, of which no wake-up will tell. */
  #isDue = true
  #isStopped = false

  /** @throws KafkaError where the binding throws: for a property that it does not know, or a bad value; ERR__STATE without the addon */
  constructor ({ global, topic }: Configuration) {
    this.#intervalMs = Math.min(readIntervalMs, Number(global['max.poll.interval.ms'] ?? maxPollIntervalMs) / 3)
    const { name, properties } = attachable(global)
    const newHandle = (global: object) => new rdkafka.KafkaConsumer({ ...global }, { ...topic })
    this.handle = create(() => newHandle(properties))
    this.#getMetadata = this.handle.getMetadata.bind(this.handle) // connecting replaces it
    this.opened = connectAttachable(this.handle, global, newHandle).then(() => {
      if (!this.#isStopped) this.#native = new NativeHandle(name, this.handle, () => this.#wake())
    }).catch(cause => { throw KafkaError.from(cause) })
  }

  get isStopped (): boolean {
    return this.#isStopped
  }

  /** Resolves when there may be something to read, when it is so, after 1 s at most, and when it is stopped. */
  async due (isSo = () => false): Promise<void> {
    await this.condition.until(() => this.#isDue || this.#isStopped || isSo(), this.#intervalMs)
  }

  /** What has been fetched, without waiting: see `NativeHandle.read`. Nothing where it is not open. */
  read (count: number, bytes: number): Batch {
    this.#isDue = false
    const batch = this.#native?.read(count, bytes) ?? { messages: [], errors: [], isEmptied: true }
    this.#isDue ||= !batch.isEmptied
    return batch
  }

  /** Rejects with a KafkaError without an answer. */
  async metadata (about: { topic?: string, allTopics?: boolean, timeout: number }): Promise<rdkafka.Metadata> {
    return await answerOf(done => this.#getMetadata(about as rdkafka.MetadataOptions, done))
  }

  /** Reads nothing any more. */
  stop (): void {
    this.#isStopped = true
    this.#native?.detach()
    this.#native = undefined
    this.condition.check()
  }

  /** Frees the handle, and leaves its group; after `limitMs` it is not waited for any more. */
  async disconnect (limitMs: number): Promise<void> {
    this.stop()
    await this.opened.catch(() => {})
    if (this.handle.isConnected()) await withTimeout(limitMs, done => this.handle.disconnect(done))
  }

  #wake (): void {
    this.#isDue = true
    this.condition.check()
  }
}

/** What the binding answers. Rejects with a KafkaError. */
export function answerOf<Answer> (call: (done: (error: rdkafka.LibrdKafkaError, answer: Answer) => void) => unknown): Promise<Answer> {
  return new Promise((resolve, reject) => call((error, answer) => error ? reject(KafkaError.from(error)) : resolve(answer)))
}
