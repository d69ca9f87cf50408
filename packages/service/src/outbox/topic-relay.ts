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

/** The relay of one topic: holds a bounded part of its rows, and reads the rest from the table as there is room. */
export class TopicRelay {
  readonly #topic: string
  readonly #rows: OutboxRows
  readonly #holding: Holding
  readonly #log: FastifyBaseLogger
  readonly #publisher: OutboxPublisher
  /** The size of each row that is on its way. */
  readonly #held = new Map<string, number>()
  #heldBytes = 0
  /** When the rows that are held were this relay's; see `Holding`. */
  #heldEpoch = 0
  /** Whether the table may have rows that are not held here. */
  #mustRead = true
  #isReading = false
  #reading = Promise.resolve()
  #readAt = -Infinity
  /** Rows that came while the table was read; their turn is after those that were read. */
  #arrived = new Map<string, OutboxRow>()
  /** Rows that were removed while the table was read: what is read may still have them. */
  readonly #goneMeanwhile = new Set<string>()
  #hasLeftSome = false
  #isStopped = false

  /** @param brokerName the topic's name as the broker knows it */
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

  /** Reads the table until no row is left there that is not held. A busy relay does so less often: meanwhile `add` leaves rows there. */
  read (): void {
    if (!this.#hasRoomToRead && performance.now() - this.#readAt < busyReadMs) return
    this.#mustRead = true
    this.#startRead()
  }

  /**
   * Takes a row whose transaction is committed. It goes behind the older row of its aggregate where that one is held here;
   * where it is not, another relay may have that one, and the table says when this one's turn is.
   */
  add (row: InsertedRow): void {
    const isOurs = this.#holding.isValid && row.relay_id === this.#holding.own
    const isNext = row.previous === null || this.#held.has(row.previous) || this.#arrived.has(row.previous)
    const isWelcome = isNext && isOurs && this.#held.size + this.#arrived.size < maxRows && this.#heldBytes < maxBytes
    if (isWelcome && this.#isReading) {
      this.#arrived.set(row.id, row)
    } else if (isWelcome && !this.#mustRead) {
      this.#take(row)
    } else {
      this.#leaveSome()
      this.#startRead()
    }
  }

  /** Ends within 1.2 s; what is not acknowledged by then is sent after the next start. */
  async stop (): Promise<void> {
    // Rows whose commit came while the table was read are sent after that read, like all others of the last requests.
    await Promise.race([this.#reading, delay(shutdown.relayReadMs)])
    this.#isStopped = true
    await delay(0) // their pushes have begun by then
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
      if (this.#isReading) this.#goneMeanwhile.add(id)
    }
    this.#startRead()
  }

  /** Rows are held that were this relay's and are not pushed any more. Those behind them wait until they are left. */
  get #hasLost (): boolean {
    return this.#held.size > 0 && this.#heldEpoch !== this.#holding.epoch
  }

  /** A read goes beyond what is held. */
  get #hasRoomToRead (): boolean {
    return this.#held.size <= readRows / 2 && this.#heldBytes <= readBytes / 2
  }

  #startRead (): void {
    if (!this.#mustRead || this.#isReading || this.#isStopped || !this.#hasRoomToRead || this.#hasLost || !this.#holding.isValid) return
    this.#isReading = true
    this.#reading = this.#read()
  }

  async #read (): Promise<void> {
    this.#readAt = performance.now()
    this.#hasLeftSome = false
    const { epoch } = this.#holding
    let isDone = false
    let isAway = false
    try {
      const rows = await this.#rows.read(this.#topic, this.#holding.ids)
      if (this.#holding.isCurrent(epoch)) {
        const held = this.#held.size
        for (const row of rows) if (!row.isBlocked && !this.#goneMeanwhile.has(row.id)) this.#take(row)
        // Where all wait for another relay, the next scan comes back to them.
        isDone = !this.#hasLeftSome && ((rows.length < readRows && rows.at(-1)?.hasNext !== true) || this.#held.size === held)
      }
    } catch (err) {
      isAway = true // the next scan comes back to it
      this.#log.debug({ err }, 'outbox not read')
    }
    this.#isReading = false
    this.#goneMeanwhile.clear()

    // Where more is left to read, they are behind it in the table.
    const arrived = this.#arrived.values()
    this.#arrived = new Map()
    if (isDone) {
      this.#mustRead = false
      for (const row of arrived) this.#take(row)
    }
    if (!isAway) this.#startRead()
  }
}
