import type { FastifyBaseLogger } from 'fastify'
import type { DependencyStatus } from '../logging/dependency-status.js'
import { delay } from '../concurrency/delay.js'
import { relayMemory, shutdown } from '../limits.js'
import type { Push } from '../publishing/message.js'
import type { Holding } from './holding.js'
import type { OutboxRows } from './rows.js'
import { OutboxPublisher } from './publisher.js'
import type { InsertedRow, OutboxRow } from './table.js'

const { maxRows, maxBytes, readRows, readBytes } = relayMemory
const busyReadMs = 10_000

/** The relay of one topic: holds a bounded number of rows in memory, and reads the rest from the table when there is capacity. */
export class TopicRelay {
  readonly #topic: string
  readonly #rows: OutboxRows
  readonly #holding: Holding
  readonly #log: FastifyBaseLogger
  readonly #publisher: OutboxPublisher
  /** Size in bytes of each row that is passed to the publisher and not settled. */
  readonly #held = new Map<string, number>()
  #heldBytes = 0
  /** The epoch of the held rows; see `Holding`. */
  #heldEpoch = 0
  /** Whether the table may have rows that are not held in memory. */
  #mustRead = true
  #isReading = false
  #reading = Promise.resolve()
  #readAt = -Infinity
  /** Rows added during a read. They are published after the rows of that read. */
  #arrived = new Map<string, OutboxRow>()
  /** Rows settled during a read, whose result may still contain them. */
  readonly #settledMeanwhile = new Set<string>()
  #hasLeftSome = false
  #isStopped = false

  /** @param brokerName the topic's name on the broker */
  constructor (topic: string, brokerName: string, rows: OutboxRows, holding: Holding, push: Push, log: FastifyBaseLogger, broker: DependencyStatus) {
    this.#topic = topic
    this.#rows = rows
    this.#holding = holding
    this.#log = log
    this.#publisher = new OutboxPublisher(brokerName, rows, push, log, broker, {
      isCurrent: epoch => holding.isCurrent(epoch),
      onSettled: ids => this.#forget(ids),
      onLost: ids => {
        this.#leaveSome()
        this.#forget(ids)
      }
    })
  }

  /** Reads the table until it has no row that is not held. A busy relay does so at most every 10 s; until then rows stay in the table. */
  read (): void {
    if (!this.#hasReadCapacity && performance.now() - this.#readAt < busyReadMs) return
    this.#mustRead = true
    this.#startRead()
  }

  /**
   * Takes a row whose transaction is committed. If its aggregate's older row is held here, the row is queued behind it. If
   * not, another relay may hold the older row, so this one is left in the table for a later read.
   */
  add (row: InsertedRow): void {
    const isOurs = this.#holding.isValid && row.relay_id === this.#holding.own
    const isNext = row.previous === null || this.#held.has(row.previous) || this.#arrived.has(row.previous)
    const isAccepted = isNext && isOurs && this.#held.size + this.#arrived.size < maxRows && this.#heldBytes < maxBytes
    if (isAccepted && this.#isReading) {
      this.#arrived.set(row.id, row)
    } else if (isAccepted && !this.#mustRead) {
      this.#take(row)
    } else {
      this.#leaveSome()
      this.#startRead()
    }
  }

  /** Stops within 1.5 s. Rows not acknowledged by then are sent after the next start. */
  async stop (): Promise<void> {
    // Rows of the last requests may have arrived during a read, and are pushed after it.
    await Promise.race([this.#reading, delay(shutdown.relayReadMs)])
    this.#isStopped = true
    await delay(0) // lets their pushes begin
    await this.#publisher.stop()
  }

  #leaveSome (): void {
    this.#hasLeftSome = true
    this.#mustRead = true
  }

  #take (row: OutboxRow): void {
    if (this.#held.has(row.id)) return
    const { epoch } = this.#holding
    if (this.#held.size === 0) this.#heldEpoch = epoch
    if (this.#hasLost) return this.#leaveSome()
    const bytes = Buffer.byteLength(row.payload)
    this.#held.set(row.id, bytes)
    this.#heldBytes += bytes
    this.#publisher.send(row, epoch)
  }

  #forget (ids: string[]): void {
    for (const id of ids) {
      this.#heldBytes -= this.#held.get(id) ?? 0
      this.#held.delete(id)
      if (this.#isReading) this.#settledMeanwhile.add(id)
    }
    this.#startRead()
  }

  /** Rows of a lost epoch are still held and will not be pushed. New rows are taken only after those are dropped. */
  get #hasLost (): boolean {
    return this.#held.size > 0 && this.#heldEpoch !== this.#holding.epoch
  }

  /** At most half of a read's limits is held, so that a read returns rows beyond the held ones. */
  get #hasReadCapacity (): boolean {
    return this.#held.size <= readRows / 2 && this.#heldBytes <= readBytes / 2
  }

  #startRead (): void {
    if (!this.#mustRead || this.#isReading || this.#isStopped || !this.#hasReadCapacity || this.#hasLost || !this.#holding.isValid) return
    this.#isReading = true
    this.#reading = this.#read()
  }

  async #read (): Promise<void> {
    this.#readAt = performance.now()
    this.#hasLeftSome = false
    const { epoch } = this.#holding
    let isDone = false
    let hasFailed = false
    try {
      const rows = await this.#rows.read(this.#topic, this.#holding.ids)
      if (this.#holding.isCurrent(epoch)) {
        const held = this.#held.size
        for (const row of rows) if (!row.isBlocked && !this.#settledMeanwhile.has(row.id)) this.#take(row)
        // If every row is blocked by another relay, the next scan reads them again.
        isDone = !this.#hasLeftSome && ((rows.length < readRows && rows.at(-1)?.hasNext !== true) || this.#held.size === held)
      }
    } catch (err) {
      hasFailed = true // the next scan reads again
      this.#log.debug({ err }, 'outbox not read')
    }
    this.#isReading = false
    this.#settledMeanwhile.clear()

    // If the table has more rows to read, the arrived rows stand behind those and are read with them.
    const arrived = this.#arrived.values()
    this.#arrived = new Map()
    if (isDone) {
      this.#mustRead = false
      for (const row of arrived) this.#take(row)
    }
    if (!hasFailed) this.#startRead()
  }
}
