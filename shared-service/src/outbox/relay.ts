import type { FastifyBaseLogger } from 'fastify'
import type { OutboxRows } from './rows.js'
import { Sending, type Push } from './sending.js'
import type { OutboxRow } from './table.js'

const mostInMemory = 10_000
const readAtOnce = 1000
const anybodysAfterS = 60
const lookEveryMs = 10_000

/**
 * Brings outbox rows to the broker, each at least once, those of one aggregate in order. A row leaves the table only when
 * its message is acknowledged, so it is still there whatever dies.
 *
 * Rows come by `add` right after their commit. Besides, the table is read
 * - at the start, rows of any age: those that a crash left cannot be told from those that another replica is sending just
 *   now, and leaving them until they are 60 s old would delay them after each restart. Sending some of them twice is
 *   allowed, because readers skip what they have seen;
 * - after `add` had to leave rows there, until none is left;
 * - every 10 s for rows older than 60 s: somebody has lost them.
 */
export class Relay {
  readonly #rows: OutboxRows
  readonly #log: FastifyBaseLogger
  readonly #sending: Sending
  readonly #held = new Set<string>()
  /** Which rows to read from the table: 0 for all, 60 for those that are anybody's, undefined for none. */
  #readOlderThanS: number | undefined = 0
  #isReading = false
  /** Rows that came while the table was read; their turn is after those that were read. */
  #arrived: OutboxRow[] = []
  #hasLeftSome = false
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  constructor (rows: OutboxRows, push: Push, log: FastifyBaseLogger) {
    this.#rows = rows
    this.#log = log
    this.#sending = new Sending(rows, push, log, ids => this.#forget(ids))
  }

  start (): void {
    this.#timer = setInterval(() => {
      this.#readOlderThanS ??= anybodysAfterS
      this.#read()
    }, lookEveryMs)
    this.#read()
  }

  /**
   * Takes a row whose transaction is committed.
   *
   * @param isFirst false where the table holds an older row of the same aggregate: that one may be unknown here, and goes first
   */
  add (row: OutboxRow, isFirst: boolean): void {
    const hasRoom = this.#held.size + this.#arrived.length < mostInMemory
    if (hasRoom && isFirst && this.#isReading) {
      this.#arrived.push(row)
    } else if (hasRoom && isFirst && this.#readOlderThanS !== 0) {
      this.#take(row)
    } else {
      this.#hasLeftSome = true
      this.#readOlderThanS = 0
      this.#read()
    }
  }

  /** Tells whether a broker is connected. */
  brokerIsBack (isBack: boolean): void {
    this.#sending.brokerIsBack(isBack)
  }

  /** Ends within 1 s; what is not acknowledged by then is sent after the next start. */
  async stop (): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#timer)
    await this.#sending.stop()
  }

  #take (row: OutboxRow): void {
    if (this.#held.has(row.id)) return
    this.#held.add(row.id)
    this.#sending.send(row)
  }

  #forget (ids: string[]): void {
    for (const id of ids) this.#held.delete(id)
    this.#read()
  }

  async #read (): Promise<void> {
    const olderThanS = this.#readOlderThanS
    if (olderThanS === undefined || this.#isReading || this.#isStopped || this.#held.size > readAtOnce / 2) return
    this.#isReading = true
    this.#hasLeftSome = false
    let isDone = false
    let isAway = false
    try {
      const rows = await this.#rows.claim(olderThanS, readAtOnce)
      for (const row of rows) this.#take(row)
      isDone = rows.length < readAtOnce && !this.#hasLeftSome
    } catch (err) {
      isAway = true // the timer comes back to it
      this.#log.debug({ err }, 'outbox not read')
    }
    this.#isReading = false

    const arrived = this.#arrived.splice(0)
    if (isDone) {
      this.#readOlderThanS = undefined
      for (const row of arrived) this.#take(row)
    } else if (arrived.length > 0) {
      // They are in the table too, behind those that are still to be read.
      this.#readOlderThanS = 0
    }
    if (!isAway) this.#read()
  }
}
