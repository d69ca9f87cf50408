import type { FastifyBaseLogger } from 'fastify'
import type { Message } from '@pair/kafka'
import { backoffMs, delay } from '../concurrency/delay.js'
import { DependencyStatus } from '../logging/dependency-status.js'
import { cuts, deadLetter, errorText, type Cut, type DeadLetter, type Failure } from './dead-letters.js'

const longestDelayMs = 5000

export interface DeadLetterOptions {
  /** The consumer group, written into the dead letter: each group has its own failures. */
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
   * Resolves when the dead letter is acknowledged. There is no limit of attempts: giving up would lose the message or block
   * its partition silently. If the broker refuses the record (a value that was compressed better on arrival), it is sent
   * without the original headers, then also without the value.
   *
   * @param least what is left out in any case
   * @throws the signal's reason when it is aborted between attempts
   */
  async send (message: Message, failure: Failure, log: FastifyBaseLogger, least: Cut = 'nothing'): Promise<void> {
    const start = cuts.indexOf(least)
    let cut = start
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
        cut = isRefused && cut + 1 < cuts.length ? cut + 1 : start
        if (cut === start) await delay(backoffMs(failures, longestDelayMs), this.#signal)
      }
    }
  }
}
