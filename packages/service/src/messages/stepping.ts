import type { FastifyBaseLogger } from 'fastify'
import type { Message } from '@pair/kafka'
import { delay } from '../concurrency/delay.js'
import type { CrashGuard, Verdict } from '../crash-guard/crash-guard.js'
import type { Outcome } from '../inbox/inbox.js'
import { messagesInFlight } from '../limits.js'
import type { DependencyWait } from './dependency-wait.js'
import { retry } from './retry.js'

/**
 * So many messages that are no duplicates are stepped through before a partition goes on as usual: as many as were in flight
 * at the last death. What else was handled before it is known to the inbox.
 */
const steppedMessages = messagesInFlight

/** A commit is stored within that time, as a rule: the client hands them over every 100 ms. */
const commitStoredMs = 1000

/** How a message that is stepped through is handled. */
export interface Step {
  /** Not at all: see `CrashGuard`. */
  readonly hasCrashed: boolean
  /**
   * An attempt. It is marked as long as none has failed for what the handler depends on; then it may take long, and kills nothing.
   *
   * @param started resolves when the consumer's own code begins
   */
  run: <Result>(handler: () => Promise<Result>, started: Promise<void>) => Promise<Result>
  /** Those behind the message need not wait for its end: it waits for another one of its key, or is no event. */
  isOver: () => void
}

interface Partition {
  /** Messages that wait for their turn. */
  waiting: number
  /** Left to be stepped through. */
  steps: number
  verdict?: Verdict
  tail: Promise<unknown>
}

/** Takes the messages of a partition one by one where the crash guard says so; every other message goes on as it came. */
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

  /** @param take begins with the message, in the order of the calls, and resolves with what became of it */
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
        take().then(resolve, resolve) // not awaited: those behind it go on
      })
    })
  }

  /** Resolves when the message has come to its end, or sooner: the mark of its first attempt is gone, or it kills nothing. */
  async #step (message: Message, verdict: Verdict, take: (step: Step) => Promise<void>): Promise<void> {
    const beside: Step['run'] = async handler => await this.#guard.beside(handler, message)
    if (verdict.hasCrashed(message)) {
      return await this.#guard.withoutHandlers(async () => {
        await take({ hasCrashed: true, run: beside, isOver () {} })
        await this.#delay(commitStoredMs)
      })
    }
    await this.#delay(verdict.holdBackMs(message))
    await new Promise<void>(resolve => {
      const run: Step['run'] = async (handler, started) => this.#wait.has(message)
        ? await beside(handler, started)
        : await this.#guard.alone(message, handler, { signal: this.#signal, onUnmarked: resolve, started })
      take({ hasCrashed: false, run, isOver: resolve }).then(resolve, resolve)
    })
  }

  /** Shorter where the service ends. */
  async #delay (ms: number): Promise<void> {
    if (ms > 0) await delay(ms, this.#signal).catch(() => {})
  }

  /** Its messages wait until the database has said what is known of it. */
  #assigned (first: Message): void {
    const { topic, partition: number, offset } = first
    const partition: Partition = { waiting: 0, steps: 0, tail: Promise.resolve() }
    const before = this.#partitions.get(number)?.tail
    partition.tail = Promise.resolve(before).then(async () => {
      const asked = await retry(async () => await this.#guard.assigned(first), { signal: this.#signal, onTransient: error => this.#wait.failed(first, error) })
      this.#wait.ended(first, false)
      if (!asked.ok) return this.#log.error({ err: asked.error, topic, partition: number }, 'the crash guard is off for this partition')
      partition.verdict = asked.result
      if (!asked.result.isStepped) return
      partition.steps = steppedMessages
      this.#log.warn({ topic, partition: number, offset }, 'no progress over three assignments, or a death: this partition is taken one message at a time')
    }).catch(() => {}) // only a stop gets here, and gives back what waits
    this.#partitions.set(number, partition)
  }
}
