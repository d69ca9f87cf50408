import type { FastifyBaseLogger } from 'fastify'
import { describeError } from '../logging/errors.js'
import { DependencyStatus } from '../logging/dependency-status.js'
import { spanContextOf } from '../tracing/traceparent.js'
import { KeyedQueue } from '../concurrency/keyed-queue.js'
import { Semaphore } from '../concurrency/semaphore.js'
import { backoffMs, delay } from '../concurrency/delay.js'
import { shutdown } from '../limits.js'
import type { Push } from '../publishing/message.js'
import { Removal } from './removal.js'
import type { OutboxRows } from './rows.js'
import type { OutboxRow } from './table.js'

const maxInFlight = 1000
const maxBackoffMs = 1000

/** What the relay tells and is told. */
interface Owner {
  /** Whether rows of this epoch may still be pushed; see `Holding`. */
  isCurrent: (epoch: number) => boolean
  /** Called with the rows that are of no concern any more: removed from the table, or parked. */
  onSettled: (ids: string[]) => void
  /** Called with rows that were not pushed, because they are no longer this relay's. */
  onLost: (ids: string[]) => void
}

/** Sends the rows of one topic until they are acknowledged, those of one aggregate in order, and removes them from the table in groups. */
export class OutboxPublisher {
  readonly #rows: OutboxRows
  readonly #push: Push
  readonly #log: FastifyBaseLogger
  readonly #owner: Owner
  readonly #topic: string
  readonly #broker: DependencyStatus
  readonly #status: DependencyStatus
  readonly #ordered = new KeyedQueue()
  readonly #oneByOne = new KeyedQueue()
  /** False from a failure until the next acknowledgement. */
  #isTaking = true
  /** Failed pushes since the last acknowledgement, and the row of the last one. */
  #failures = 0
  #failedLast: string | undefined
  // While it takes nothing, one push is enough to learn that it does again.
  readonly #slots = new Semaphore(() => this.#isTaking && !this.#broker.isAway ? maxInFlight : 1)
  readonly #stop = new AbortController()
  readonly #inFlight = new Set<Promise<unknown>>()
  readonly #removal: Removal

  /**
   * @param topic as the broker knows it
   * @param broker what is known of the broker, which all topics share
   */
  constructor (topic: string, rows: OutboxRows, push: Push, log: FastifyBaseLogger, broker: DependencyStatus, owner: Owner) {
    this.#topic = topic
    this.#rows = rows
    this.#push = push
    this.#log = log
    this.#owner = owner
    this.#removal = new Removal(rows, log, owner.onSettled, this.#stop.signal)
    this.#broker = broker
    this.#status = new DependencyStatus(log, 'the topic')
  }

  /** @param epoch when the row was this relay's */
  send (row: OutboxRow, epoch: number): void {
    this.#ordered.run(row.aggregateid, async () => {
      for (let failures = 1; !this.#stop.signal.aborted; failures += 1) {
        if (await this.#slots.run(async () => await this.#attempt(row, epoch))) return
        await this.#wait(backoffMs(failures, maxBackoffMs)) // without a slot: other aggregates go on
      }
    })
  }

  /** Starts nothing more, and waits up to 0.8 s for what is on its way. The rest stays in the table. */
  async stop (): Promise<void> {
    this.#stop.abort()
    const settled = Promise.allSettled(this.#inFlight)
      .then(async () => await delay(0)) // then each attempt knows, too
      .then(async () => await this.#removal.finished())
    await Promise.race([settled, delay(shutdown.relayAcknowledgementsMs)])
  }

  /** @returns whether the row needs no further attempt */
  async #attempt (row: OutboxRow, epoch: number, isAlone = false): Promise<boolean> {
    if (this.#stop.signal.aborted) return true
    if (!this.#owner.isCurrent(epoch)) {
      this.#owner.onLost([row.id])
      return true
    }
    try {
      const pushed = this.#push(row)
      this.#inFlight.add(pushed)
      await pushed.finally(() => this.#inFlight.delete(pushed))
      this.#isTaking = true
      this.#failures = 0
      this.#status.recovered({ topic: this.#topic })
      this.#log.info(this.#about(row), 'event sent')
      this.#removal.add(row.id)
      return true
    } catch (err) {
      if (this.#stop.signal.aborted) return true
      if ((err as { retriable?: boolean }).retriable === false) {
        // A broker refuses a batch as a whole, for what one of its messages is, or for their sum.
        return isAlone ? await this.#park(row, err) : await this.#oneByOne.run('', async () => await this.#attempt(row, epoch, true))
      }
      await this.#hasFailed(row, err)
      return false
    }
  }

  /** One failure may be of its row alone. With the second in a row the topic is away, and if they are of two rows, the next row waits, too. */
  async #hasFailed ({ id }: OutboxRow, err: unknown): Promise<void> {
    this.#isTaking = false
    this.#failures += 1
    if (this.#broker.isAway) this.#broker.failed(err)
    else if (this.#failures > 1) this.#status.failed(err, { topic: this.#topic })
    const isOfTwo = this.#failures > 1 && this.#failedLast !== id
    this.#failedLast = id
    if (isOfTwo) await this.#wait(backoffMs(this.#failures, maxBackoffMs))
  }

  /** The broker would refuse it each time; those behind it go on. */
  async #park (row: OutboxRow, err: unknown): Promise<boolean> {
    try {
      await this.#rows.park(row.id, describeError(err))
      this.#log.error({ err, ...this.#about(row) }, 'event parked in the outbox: the broker does not take it')
      this.#owner.onSettled([row.id])
      return true
    } catch (error) {
      this.#log.warn({ err: error, ...this.#about(row) }, 'event not parked yet')
      await this.#wait(1000)
      return false
    }
  }

  /** For log lines; the trace by the name that OpenTelemetry gives it there. */
  #about ({ id, traceparent }: OutboxRow): { eventId: string, topic: string, trace_id?: string } {
    const created = spanContextOf(traceparent ?? undefined)
    return { eventId: id, topic: this.#topic, ...(created && { trace_id: created.traceId }) }
  }

  /** Ends early on a stop. */
  async #wait (ms: number): Promise<void> {
    await delay(ms, this.#stop.signal).catch(() => {})
  }
}
