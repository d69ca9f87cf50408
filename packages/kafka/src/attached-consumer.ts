import rdkafka from 'node-rdkafka'
import { Condition } from './condition.js'
import { KafkaError } from './errors.js'
import { connectAttachable, create, withTimeout } from './handle.js'
import { attachable, NativeHandle } from './native.js'
import { pollLimit, type Batch } from './native-batch.js'
import type { Configuration } from './options.js'

/** Longest time between two reads, in ms: the handle's events and its membership of the group depend on reads. */
const readIntervalMs = 1000
/** Default of librdkafka's `max.poll.interval.ms`. */
const maxPollIntervalMs = 300_000

/**
 * A node-rdkafka consumer whose messages are read through the addon only: two readers would lose the order, and node-rdkafka's
 * `poll` crashes the process. To be read whenever `due` resolves.
 */
export class AttachedConsumer {
  /** For everything but messages. */
  readonly handle: rdkafka.KafkaConsumer
  /** Checked at each wake-up; `due` waits for it. */
  readonly condition = new Condition()
  readonly #getMetadata: rdkafka.KafkaConsumer['getMetadata']
  readonly #intervalMs: number
  readonly #connect: () => Promise<void>
  #opened: Promise<void> | undefined
  #native: NativeHandle | undefined
  /** There may be messages for which no wake-up comes. */
  #isDue = true
  #isStopped = false

  /** @throws KafkaError for an unknown property or a bad value; ERR__STATE without the addon */
  constructor ({ global, topic }: Configuration) {
    this.#intervalMs = Math.min(readIntervalMs, Number(global['max.poll.interval.ms'] ?? maxPollIntervalMs) / 3)
    const { name, properties } = attachable(global)
    const newHandle = (global: object) => new rdkafka.KafkaConsumer({ ...global }, { ...topic })
    this.handle = create(() => newHandle(properties))
    this.#getMetadata = this.handle.getMetadata.bind(this.handle) // connecting replaces it
    this.#connect = async () => {
      await connectAttachable(this.handle, global, newHandle)
      if (!this.#isStopped) this.#native = new NativeHandle(name, this.handle, () => this.#wake())
    }
  }

  /** Opens it, once. Resolves when it is open, or was stopped before that; rejects with a KafkaError where a setting is refused. */
  open (): Promise<void> {
    return (this.#opened ??= this.#connect().catch(cause => { throw KafkaError.from(cause) }))
  }

  get isStopped (): boolean {
    return this.#isStopped
  }

  /** Resolves when there may be something to read, `isTrue` returns true, or the consumer is stopped; after 1 s at most. */
  async due (isTrue = () => false): Promise<void> {
    await this.condition.until(() => this.#isDue || this.#isStopped || isTrue(), this.#intervalMs)
  }

  /** Takes fetched messages without waiting: see `NativeHandle.read`. Returns an empty batch while it is not open. */
  read (count = pollLimit.records, bytes = pollLimit.bytes): Batch {
    this.#isDue = false
    const batch = this.#native?.read(count, bytes) ?? { messages: [], errors: [], isEmptied: true }
    this.#isDue ||= !batch.isEmptied
    return batch
  }

  /** Rejects with a KafkaError without an answer. */
  async metadata (about: { topic?: string, allTopics?: boolean, timeout: number }): Promise<rdkafka.Metadata> {
    return await answerOf(done => this.#getMetadata(about as rdkafka.MetadataOptions, done))
  }

  /** Ends reading. */
  stop (): void {
    this.#isStopped = true
    this.#native?.detach()
    this.#native = undefined
    this.condition.check()
  }

  /** Leaves the group and frees the handle; waits for that at most `limitMs`. */
  async disconnect (limitMs: number): Promise<void> {
    this.stop()
    await this.#opened?.catch(() => {})
    if (this.handle.isConnected()) await withTimeout(limitMs, done => this.handle.disconnect(done))
  }

  #wake (): void {
    this.#isDue = true
    this.condition.check()
  }
}

/** Turns a call with a callback into a promise, which rejects with a KafkaError. */
export function answerOf<Answer> (call: (done: (error: rdkafka.LibrdKafkaError, answer: Answer) => void) => unknown): Promise<Answer> {
  return new Promise((resolve, reject) => call((error, answer) => error ? reject(KafkaError.from(error)) : resolve(answer)))
}
