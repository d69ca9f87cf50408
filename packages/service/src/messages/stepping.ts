import type { FastifyBaseLogger } from 'fastify'
import type { Message } from '@pair/kafka'
import { delay } from '../concurrency/delay.js'
import type { CrashGuard, Verdict } from '../crash-guard/crash-guard.js'
import type { Outcome } from '../inbox/inbox.js'
import { messagesInFlight } from '../limits.js'
import type { DependencyWait } from './dependency-wait.js'
import { retry } from './retry.js'

/**
 * Number of non-duplicate messages that are stepped through before the partition is processed concurrently again: the
 * largest number that were in flight at the last crash. The inbox knows those that were handled before it.
 */
const steppedMessages = messagesInFlight

/** Time in ms within which a commit is normally stored: the client sends commits every 100 ms. */
const commitStoredMs = 1000

/** How a message that is stepped through is handled. */
export interface Step {
  /** The message has crashed the process too often and is not handled: see `CrashGuard`. */
  readonly hasCrashed: boolean
  /**
   * Runs an attempt. It is marked in the database until an attempt has failed because of a dependency: later attempts may
   * wait for long, and are not suspected of a crash.
   *
   * @param started resolves when the consumer's own code begins
   */
  run: <Result>(handler: () => Promise<Result>, started: Promise<void>) => Promise<Result>
  /** Lets the messages behind proceed: this message waits for another one of its key, or holds no event. */
  isOver: () => void
}

interface Partition {
  /** Queued messages. */
  waiting: number
  /** Messages still to be stepped through. */
  steps: number
  verdict?: Verdict
  tail: Promise<unknown>
}

/** Processes the messages of a partition one at a time if the crash guard asks for it, and all others concurrently. */
export class Stepping {
  readonly #guard: CrashGuard
  readonly #log: FastifyBaseLogger
  readonly #signal: AbortSignal
  readonly #wait: DependencyWait
  readonly #partitions = new Map<number, Partition>()

  constructor (guard: CrashGuard, log: FastifyBaseLogger, signal: AbortSignal, wait: DependencyWait) {
    this.#guard = guard
    this.#log = log
    this.#signal = signal
    this.#wait = wait
  }

  /** @param take starts processing the message and resolves with its outcome; called in the order of the messages */
  route (message: Message, take: (step?: Step) => Promise<Outcome | undefined>): Promise<unknown> {
    if (message.isFirst) this.#assigned(message)
    const partition = this.#partitions.get(message.partition)
    if (partition === undefined) return take()
    partition.waiting += 1
    return new Promise(resolve => {
      partition.tail = partition.tail.then(async () => {
        partition.waiting -= 1
        if (partition.steps > 0 && partition.verdict) {
          return await this.#step(message, partition.verdict, async step => {
            const outcome = await take(step)
            if (outcome !== 'duplicate') partition.steps -= 1
            resolve(outcome)
          })
        }
        if (partition.waiting === 0 && this.#partitions.get(message.partition) === partition) this.#partitions.delete(message.partition)
        take().then(resolve, resolve) // not awaited: the next messages proceed
      })
    })
  }

  /** Resolves when the message is finished, or earlier, when the mark of its first attempt is removed or no longer needed. */
  async #step (message: Message, verdict: Verdict, take: (step: Step) => Promise<void>): Promise<void> {
    const shared: Step['run'] = async handler => await this.#guard.shared(handler, message)
    if (verdict.hasCrashed(message)) {
      return await this.#guard.withoutHandlers(async () => {
        await take({ hasCrashed: true, run: shared, isOver () {} })
        await this.#delay(commitStoredMs)
      })
    }
    await this.#delay(verdict.holdBackMs(message))
    await new Promise<void>(resolve => {
      const run: Step['run'] = async (handler, started) => this.#wait.has(message)
        ? await shared(handler, started)
        : await this.#guard.exclusive(message, handler, { signal: this.#signal, onUnmarked: resolve, started })
      take({ hasCrashed: false, run, isOver: resolve }).then(resolve, resolve)
    })
  }

  /** Waits; returns early when the service stops. */
  async #delay (ms: number): Promise<void> {
    if (ms > 0) await delay(ms, this.#signal).catch(() => {})
  }

  /** Queues the messages of a newly assigned partition until the crash guard's verdict has been read from the database. */
  #assigned (first: Message): void {
    const { topic, partition: number, offset } = first
    const partition: Partition = { waiting: 0, steps: 0, tail: Promise.resolve() }
    const before = this.#partitions.get(number)?.tail
    partition.tail = Promise.resolve(before).then(async () => {
      const assigned = await retry(async () => await this.#guard.assigned(first), { signal: this.#signal, onTransient: error => this.#wait.failed(first, error) })
      this.#wait.ended(first, false)
      if (!assigned.ok) return this.#log.error({ err: assigned.error, topic, partition: number }, 'crash guard off for this partition: its table cannot be used')
      partition.verdict = assigned.result
      if (!assigned.result.isStepped) return
      partition.steps = steppedMessages
      this.#log.warn({ topic, partition: number, offset }, 'crash guard: no progress over three assignments, or a crash; this partition is processed one message at a time')
    }).catch(() => {}) // only when stopping, which releases the queued messages
    this.#partitions.set(number, partition)
  }
}
