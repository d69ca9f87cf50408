import type { FastifyBaseLogger } from 'fastify'
import { describeError } from '../logging/errors.js'
import { Outage } from '../logging/outage.js'
import { spanContextOf } from '../tracing/traceparent.js'
import { InOrder } from '../waiting/in-order.js'
import { Slots } from '../waiting/slots.js'
import { backoffMs, wait } from '../waiting/wait.js'
import type { OutboxRows } from './rows.js'
import type { OutboxRow } from './table.js'

const mostAtOnce = 1000
const removeAtOnce = 1000
/** Between two removals: a statement and a commit each, for what was acknowledged meanwhile. */
const removeEveryMs = 25

/** Resolves when the broker has acknowledged the row's message, rejects with a KafkaError. */
export type Push = (row: OutboxRow) => Promise<unknown>

/** Sends rows until they are acknowledged, the rows of one aggregate in order, and removes them from the table in groups. */
export class Sending {
  readonly #rows: OutboxRows
  readonly #push: Push
  readonly #log: FastifyBaseLogger
  readonly #onGone: (ids: string[]) => void
  readonly #outage: Outage
  readonly #inOrder = new InOrder()
  readonly #oneByOne = new InOrder()
  // While the broker is away one push is enough to learn that it is back.
  readonly #slots = new Slots(() => this.#outage.lasts ? 1 : mostAtOnce)
  readonly #stop = new AbortController()
  readonly #onTheirWay = new Set<Promise<unknown>>()
  #acked: string[] = []
  #removing: Promise<void> | undefined

  /** @param onGone called with the rows that are of no concern any more: removed from the table, or parked */
  constructor (rows: OutboxRows, push: Push, log: FastifyBaseLogger, onGone: (ids: string[]) => void) {
    this.#rows = rows
    this.#push = push
    this.#log = log
    this.#onGone = onGone
    this.#outage = new Outage(log, 'the broker')
  }

  send (row: OutboxRow): void {
    this.#inOrder.run(row.aggregateid, async () => {
      for (let failures = 0; !this.#stop.signal.aborted && !await this.#slots.run(async () => await this.#attempt(row, failures));) failures += 1
    })
  }

  /** Tells whether a broker is connected: that is known sooner than a push fails. */
  brokerIsBack (isBack: boolean): void {
    if (isBack) this.#outage.recovered()
    else this.#outage.failed()
  }

  /** Starts nothing more, and waits up to 1 s for what is on its way. The rest stays in the table. */
  async stop (): Promise<void> {
    this.#stop.abort()
    const settled = Promise.allSettled(this.#onTheirWay)
      .then(async () => await wait(0)) // then each attempt knows, too
      .then(async () => await this.#removeAcked())
    await Promise.race([settled, wait(1000)])
  }

  /** @returns whether the row needs no further attempt */
  async #attempt (row: OutboxRow, failures: number, isAlone = false): Promise<boolean> {
    if (this.#stop.signal.aborted) return true
    try {
      const onItsWay = this.#push(row)
      this.#onTheirWay.add(onItsWay)
      await onItsWay.finally(() => this.#onTheirWay.delete(onItsWay))
      this.#outage.recovered()
      this.#log.info(about(row), 'event sent')
      this.#acked.push(row.id)
      this.#removeAcked()
      return true
    } catch (err) {
      if (this.#stop.signal.aborted) return true
      if ((err as { retriable?: boolean }).retriable === false) {
        // A broker refuses a batch as a whole, for what one of its messages is, or for their sum.
        return isAlone ? await this.#park(row, err) : await this.#oneByOne.run('', async () => await this.#attempt(row, failures, true))
      }
      this.#outage.failed(err)
      await wait(backoffMs(failures + 1, 1000), this.#stop.signal).catch(() => {})
      return false
    }
  }

  /** The broker would refuse it each time; those behind it go on. */
  async #park (row: OutboxRow, err: unknown): Promise<boolean> {
    try {
      await this.#rows.park(row.id, describeError(err))
      this.#log.error({ err, ...about(row) }, 'event parked in the outbox: the broker does not take it')
      this.#onGone([row.id])
      return true
    } catch (error) {
      this.#log.warn({ err: error, ...about(row) }, 'event not parked yet')
      await wait(1000, this.#stop.signal).catch(() => {})
      return false
    }
  }

  /** One statement at a time: what is acknowledged meanwhile makes the next group. */
  #removeAcked (): Promise<void> {
    this.#removing ??= this.#removeGroups().finally(() => { this.#removing = undefined })
    return this.#removing
  }

  async #removeGroups (): Promise<void> {
    while (this.#acked.length > 0) {
      const ids = this.#acked.splice(0, removeAtOnce)
      try {
        await this.#rows.remove(ids)
        this.#onGone(ids)
        await wait(removeEveryMs, this.#stop.signal).catch(() => {})
      } catch (err) {
        this.#acked.unshift(...ids)
        this.#log.debug({ err }, 'sent events not removed from the outbox yet')
        // A process that ends leaves them to be sent twice.
        if (this.#stop.signal.aborted) return
        await wait(1000, this.#stop.signal).catch(() => {})
      }
    }
  }
}

/** For log lines; the trace by the name that OpenTelemetry gives it there. */
function about ({ id, type, traceparent }: OutboxRow): { eventId: string, topic: string, trace_id?: string } {
  const created = spanContextOf(traceparent ?? undefined)
  return { eventId: id, topic: type, ...(created && { trace_id: created.traceId }) }
}
