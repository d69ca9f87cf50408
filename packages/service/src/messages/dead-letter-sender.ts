import type { FastifyBaseLogger } from 'fastify'
import type { Message } from '@pair/kafka'
import { backoffMs, delay } from '../concurrency/delay.js'
import { DependencyStatus } from '../logging/dependency-status.js'
import { cuts, deadLetter, errorText, type DeadLetter, type Failure } from './dead-letters.js'

const longestDelayMs = 5000

export interface DeadLetterOptions {
  /** The consumer group, for dead letters: each group has its own failures. */
  group: string
  /** Resolves when the broker has acknowledged the dead letter. */
  sendDeadLetter: (record: DeadLetter) => Promise<unknown>
  log: FastifyBaseLogger
}

/** Sends a message that cannot be processed to its dead-letter topic. */
export class DeadLetterSender {
  readonly #options: DeadLetterOptions
  readonly #signal: AbortSignal
  readonly #status: DependencyStatus

  constructor (options: DeadLetterOptions, signal: AbortSignal) {
    this.#options = options
    this.#signal = signal
    this.#status = new DependencyStatus(options.log, 'the dead-letter topic')
  }

  /**
   * Resolves when it is acknowledged. It tries without an end: giving up would mean to lose the message or to hold up its
   * partition without a word. What the broker refuses as it is (a value that was compressed better on its way here) goes
   * without its headers, then its value.
   *
   * @throws the signal's reason when it is aborted between attempts
   */
  async send (message: Message, failure: Failure, log: FastifyBaseLogger): Promise<void> {
    let cut = 0
    for (let failures = 1; ; failures++) {
      this.#signal.throwIfAborted()
      const record = deadLetter(message, failure, this.#options.group, cuts[cut])
      try {
        await this.#options.sendDeadLetter(record)
        this.#status.recovered()
        log.warn({ reason: failure.reason, why: errorText(failure), attempts: failure.attempts, deadLetterTopic: record.topic, cut: cuts[cut] }, 'message dead-lettered')
        return
      } catch (error) {
        const { topic, partition, offset } = message
        this.#status.failed(error, { topic, partition, offset })
        const isRefused = (error as { retriable?: boolean }).retriable === false
        cut = isRefused ? (cut + 1) % cuts.length : 0
        if (cut === 0) await delay(backoffMs(failures, longestDelayMs), this.#signal)
      }
    }
  }
}
