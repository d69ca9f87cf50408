import type { FastifyBaseLogger } from 'fastify'
import { isOfStatement } from '../database/faults.js'
import { DependencyStatus } from '../logging/dependency-status.js'
import { delay } from '../concurrency/delay.js'
import type { OutboxRows } from './rows.js'

const maxBatch = 1000
/** Pause between two deletes in ms: each is a statement and a commit, so acknowledgements are collected meanwhile. */
const removeEveryMs = 25
const retryMs = 1000

/** Deletes acknowledged rows, one statement at a time. Rows acknowledged during a delete form the next batch. */
export class Removal {
  readonly #rows: OutboxRows
  readonly #log: FastifyBaseLogger
  readonly #onSettled: (ids: string[]) => void
  readonly #signal: AbortSignal
  readonly #refusal: DependencyStatus
  #acked: string[] = []
  #removing: Promise<void> | undefined

  /** @param signal ends all waits; rows that cannot be deleted then stay in the table and are sent again */
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

  /** Resolves when all acknowledged rows are deleted, or when the signal is aborted and a delete fails. */
  finished (): Promise<void> {
    this.#removing ??= this.#removeBatches().finally(() => { this.#removing = undefined })
    return this.#removing
  }

  async #removeBatches (): Promise<void> {
    while (this.#acked.length > 0) {
      const ids = this.#acked.splice(0, maxBatch)
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
