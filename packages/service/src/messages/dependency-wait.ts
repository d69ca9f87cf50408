import type { FastifyBaseLogger } from 'fastify'
import type { Message } from '@pair/kafka'
import { isSchemaFault } from '../database/faults.js'
import { DependencyStatus } from '../logging/dependency-status.js'

/** Failures for so long, and no success between them, are more than a moment's. */
const longMs = 10_000

/** Whether a consumer waits for what its handler depends on, and since when. */
export class DependencyWait {
  readonly #status: DependencyStatus
  #sinceMs: number | undefined
  readonly #waiting = new Set<Message>()

  constructor (log: FastifyBaseLogger) {
    this.#status = new DependencyStatus(log, 'what the handler depends on')
  }

  /** An attempt at this message has failed, and the dependency is to blame. */
  failed (message: Message, error: unknown, eventId?: string): void {
    this.#sinceMs ??= performance.now()
    this.#waiting.add(message)
    const { topic, partition, offset } = message
    const details = { topic, partition, offset, ...(eventId !== undefined && { eventId }) }
    this.#status.failed(error, details, isSchemaFault(error) ? 'its schema or rights are not what this version needs' : undefined)
  }

  /** Whether an attempt at this message has failed so, and it has no end yet. */
  has (message: Message): boolean {
    return this.#waiting.has(message)
  }

  /**
   * A message has come to its end.
   *
   * @param hasSucceeded its handler has done its work, so what it depends on is there
   */
  ended (message: Message, hasSucceeded: boolean): void {
    this.#waiting.delete(message)
    if (hasSucceeded || this.#waiting.size === 0) this.#sinceMs = undefined
    if (this.#waiting.size === 0) this.#status.recovered()
  }

  /** The first failure is 10 s ago, and nothing has succeeded since. */
  get isLong (): boolean {
    return this.#sinceMs !== undefined && performance.now() - this.#sinceMs >= longMs
  }
}
