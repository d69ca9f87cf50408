import type { FastifyBaseLogger } from 'fastify'
import type { Message } from '@pair/kafka'
import { isSchemaFault } from '../database/faults.js'
import { DependencyStatus } from '../logging/dependency-status.js'

/** After this time of failures without a success, in ms, the consumer is reported as waiting. */
const longMs = 10_000

/** Whether a consumer waits for a dependency of its handler, and since when. */
export class DependencyWait {
  readonly #status: DependencyStatus
  #sinceMs: number | undefined
  readonly #waiting = new Set<Message>()

  constructor (log: FastifyBaseLogger) {
    this.#status = new DependencyStatus(log, 'what the handler depends on')
  }

  /** Records that an attempt at this message failed because of the dependency. */
  failed (message: Message, error: unknown, eventId?: string): void {
    this.#sinceMs ??= performance.now()
    this.#waiting.add(message)
    const { topic, partition, offset } = message
    const details = { topic, partition, offset, ...(eventId !== undefined && { eventId }) }
    this.#status.failed(error, details, isSchemaFault(error) ? 'its schema or rights are not what this version needs' : undefined)
  }

  /** Whether an attempt at this message has failed because of the dependency, and the message is not finished. */
  has (message: Message): boolean {
    return this.#waiting.has(message)
  }

  /**
   * Records that a message is finished.
   *
   * @param hasSucceeded its handler succeeded, so the dependency is available
   */
  ended (message: Message, hasSucceeded: boolean): void {
    this.#waiting.delete(message)
    if (hasSucceeded || this.#waiting.size === 0) this.#sinceMs = undefined
    if (this.#waiting.size === 0) this.#status.recovered()
  }

  /** The first failure is at least 10 s ago, and no handler has succeeded since. */
  get isLong (): boolean {
    return this.#sinceMs !== undefined && performance.now() - this.#sinceMs >= longMs
  }
}
