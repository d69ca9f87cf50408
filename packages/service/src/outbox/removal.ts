import type { FastifyBaseLogger } from 'fastify'
import { isOfStatement } from '../database/faults.js'
import { DependencyStatus } from '../logging/dependency-status.js'
import { delay } from '../concurrency/delay.js'
import type { OutboxRows } from './rows.js'

const removeAtOnce = 1000
/** Between two removals: a statement and a commit each, for what was acknowledged meanwhile. */
const removeEveryMs = 25
const retryMs = 1000

/** Removes rows whose message is acknowledged, one statement at a time: what is acknowledged meanwhile makes the next group. */
export class Removal {
  readonly #rows: OutboxRows
  readonly #log: FastifyBaseLogger
  readonly #onSettled: (ids: string[]) => void
  readonly #signal: AbortSignal
  readonly #refusal: DependencyStatus
  #acked: string[] = []
  #removing: Promise<void> | undefined

  /** @param signal ends all waits; what cannot be removed then is left, and sent twice */
  constructor (rows: OutboxRows, log: FastifyBaseLogger, onSettled: (ids: string[]) => void, signal: AbortSignal) {
    this.#rows = rows
    this.#log = log
    this.#onSettled = onSettled
    this.#signal = signal
    this.#refusal = new DependencyStatus(log, 'sent events')
  }

  add (id: string): void {
    this.#acked.push(id)
    this.finished()
  }

  /** Resolves when all are removed, or left after a stop. */
  finished (): Promise<void> {
    this.#removing ??= this.#removeGroups().finally(() => { this.#removing = undefined })
    return this.#removing
  }

  async #removeGroups (): Promise<void> {
    while (this.#acked.length > 0) {
      const ids = this.#acked.splice(0, removeAtOnce)
      try {
        await this.#rows.remove(ids)
        this.#refusal.recovered()
        this.#onSettled(ids)
        await this.#wait(removeEveryMs)
      } catch (err) {
        this.#acked.unshift(...ids)
        if (isOfStatement(err)) this.#refusal.failed(err, {}, 'the database refuses to remove them from the outbox')
        else this.#log.debug({ err }, 'sent events not removed from the outbox yet')
        if (this.#signal.aborted) return
        await this.#wait(retryMs)
      }
    }
  }

  async #wait (ms: number): Promise<void> {
    await delay(ms, this.#signal).catch(() => {})
  }
}
