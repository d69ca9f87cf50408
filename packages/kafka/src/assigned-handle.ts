import type rdkafka from 'node-rdkafka'
import { KafkaError } from './errors.js'
import type { Logger } from './types.js'

type Placed = Array<{ topic: string, partition: number }>

/**
 * The calls that change what a handle is assigned, for both rebalance protocols. Each is logged and otherwise ignored where
 * librdkafka refuses it (ERR__STATE), because the assignment was lost meanwhile: the next one corrects it.
 */
export class AssignedHandle {
  readonly #handle: rdkafka.KafkaConsumer
  readonly #logger: Logger
  /** Whether partitions are added and removed one by one; an eager assignment can only be replaced. */
  isCooperative = true

  constructor (handle: rdkafka.KafkaConsumer, logger: Logger) {
    this.#handle = handle
    this.#logger = logger
  }

  /** To be called at each assignment: the group decides on the protocol. */
  readProtocol (): void {
    this.isCooperative = this.#handle.rebalanceProtocol() === 'COOPERATIVE'
  }

  assign (partitions: rdkafka.Assignment[]): void {
    this.#call(() => this.isCooperative ? this.#handle.incrementalAssign(partitions) : this.#handle.assign(partitions))
  }

  /** Removes these partitions; all of them where the protocol is eager. */
  unassign (partitions: Placed): void {
    this.#call(() => this.isCooperative ? this.#handle.incrementalUnassign(partitions) : this.#handle.unassign())
  }

  /** Assigns partitions again that are assigned already, which makes librdkafka fetch their offsets again. */
  reassign (partitions: rdkafka.Assignment[]): void {
    if (this.isCooperative) this.unassign(partitions.map(({ topic, partition }) => ({ topic, partition })))
    this.assign(partitions)
  }

  pause (partitions: Placed): void {
    if (partitions.length > 0) this.#call(() => this.#handle.pause(partitions))
  }

  resume (partitions: Placed): void {
    if (partitions.length > 0) this.#call(() => this.#handle.resume(partitions))
  }

  /** Stores offsets, which librdkafka commits in the background. */
  store (offsets: rdkafka.TopicPartitionOffset[]): void {
    if (offsets.length > 0) this.#call(() => this.#handle.offsetsStore(offsets))
  }

  /** Requests a commit of these offsets, or of all stored ones, without waiting for it. */
  commit (offsets?: rdkafka.TopicPartitionOffset[]): void {
    this.#call(() => offsets === undefined ? this.#handle.commit() : this.#handle.commit(offsets))
  }

  #call (call: () => unknown): void {
    try {
      call()
    } catch (cause) {
      this.#logger.info({ err: KafkaError.from(cause) }, 'kafka: the assignment has changed meanwhile')
    }
  }
}
