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

/** Callbacks of the `TopicRelay` that owns the publisher. */
interface Owner {
  /** Whether this relay may still push rows of this epoch; see `Holding`. */
  isCurrent: (epoch: number) => boolean
  /** Called with rows that are done: removed from the table, or parked. */
  onSettled: (ids: string[]) => void
  /** Called with rows that were not pushed because this relay no longer holds their ids. */
  onLost: (ids: string[]) => void
}

/**
 * Pushes the rows of one topic until the broker has acknowledged them, those of one aggregate in order. Acknowledged rows are
 * removed from the table in batches.
 */
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
  /** False from a failed push until the next acknowledgement. */
  #isAccepting = true
  /** Failed pushes since the last acknowledgement, and the row of the last one. */
  #failures = 0
  #failedLast: string | undefined
  // While pushes fail, one at a time is enough to notice the recovery.
  readonly #slots = new Semaphore(() => this.#isAccepting && !this.#broker.isAway ? maxInFlight : 1)
  readonly #stop = new AbortController()
  readonly #inFlight = new Set<Promise<unknown>>()
  readonly #removal: Removal

  /**
   * @param topic the topic's name on the broker
   * @param broker the status of the broker, shared by all topics
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

  /** @param epoch the epoch of `Holding` in which the row was read or added */
  send (row: OutboxRow, epoch: number): void {
    this.#ordered.run(row.aggregateid, async () => {
      for (let failures = 1; !this.#stop.signal.aborted; failures += 1) {
        if (await this.#slots.run(async () => await this.#attempt(row, epoch))) return
        await this.#wait(backoffMs(failures, maxBackoffMs)) // holds no slot meanwhile, so other aggregates proceed
      }
    })
  }

  /**
   * Starts no more pushes, waits up to 0.8 s for those in flight, then up to 0.3 s for the removal of acknowledged rows. The
   * other rows stay in the table and are sent after the next start.
   */
  async stop (): Promise<void> {
    this.#stop.abort()
    const settled = Promise.allSettled(this.#inFlight).then(async () => await delay(0)) // lets each attempt handle its result
    await Promise.race([settled, delay(shutdown.relayAcknowledgementsMs)])
    await Promise.race([this.#removal.finished(), delay(shutdown.relayRemovalMs)])
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
      this.#isAccepting = true
      this.#failures = 0
      this.#status.recovered({ topic: this.#topic })
      this.#log.info(this.#about(row), 'event sent')
      this.#removal.add(row.id)
      return true
    } catch (err) {
      if (this.#stop.signal.aborted) return true
      if ((err as { retriable?: boolean }).retriable === false) {
        // A broker refuses a whole batch because of one message, or because of the batch's size: retry the row in a batch of one.
        return isAlone ? await this.#park(row, err) : await this.#oneByOne.run('', async () => await this.#attempt(row, epoch, true))
      }
      await this.#hasFailed(row, err)
      return false
    }
  }

  /** A single failure may concern its row only. From the second in a row the topic is logged as away; if the two are of different rows, the slot is held for the back-off too. */
  async #hasFailed ({ id }: OutboxRow, err: unknown): Promise<void> {
    this.#isAccepting = false
    this.#failures += 1
    if (this.#broker.isAway) this.#broker.failed(err)
    else if (this.#failures > 1) this.#status.failed(err, { topic: this.#topic })
    const isOfTwo = this.#failures > 1 && this.#failedLast !== id
    this.#failedLast = id
    if (isOfTwo) await this.#wait(backoffMs(this.#failures, maxBackoffMs))
  }

  /** Parks a row that the broker refuses permanently, so that the rows behind it proceed. */
  async #park (row: OutboxRow, err: unknown): Promise<boolean> {
    try {
      await this.#rows.park(row.id, describeError(err))
      this.#log.error({ err, ...this.#about(row) }, 'event parked in the outbox: the broker refuses it')
      this.#owner.onSettled([row.id])
      return true
    } catch (error) {
      this.#log.warn({ err: error, ...this.#about(row) }, 'event not parked yet')
      await this.#wait(1000)
      return false
    }
  }

  /** Fields of the row's log lines; `trace_id` is OpenTelemetry's name for logs. */
  #about ({ id, traceparent }: OutboxRow): { eventId: string, topic: string, trace_id?: string } {
    const created = spanContextOf(traceparent ?? undefined)
    return { eventId: id, topic: this.#topic, ...(created && { trace_id: created.traceId }) }
  }

  /** Returns early when the publisher is stopped. */
  async #wait (ms: number): Promise<void> {
    await delay(ms, this.#stop.signal).catch(() => {})
  }
}
