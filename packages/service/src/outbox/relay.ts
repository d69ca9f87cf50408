import type { FastifyBaseLogger } from 'fastify'
import { isOfStatement } from '../database/faults.js'
import { DependencyStatus } from '../logging/dependency-status.js'
import { delay } from '../concurrency/delay.js'
import { relay, shutdown } from '../limits.js'
import type { Push } from '../publishing/message.js'
import { Holding } from './holding.js'
import type { Leases } from './leases.js'
import type { OutboxRows } from './rows.js'
import type { InsertedRow } from './table.js'
import { TopicRelay } from './topic-relay.js'

/**
 * Sends outbox rows to the broker, each at least once, those of one aggregate and topic in order. A row is deleted only after
 * its message is acknowledged, so no crash loses it.
 *
 * Each row belongs to the relay id under which it was inserted, and only the relay that holds this id sends it. So replicas
 * share the work, and a row is sent only when every older row of its aggregate is deleted or held by the same relay. A relay
 * renews its ids each second. Another relay takes the ids of a crashed relay after 5 s, those of a stopped relay immediately.
 *
 * `add` receives rows right after their commit. In addition the table is read
 * - each second, for rows left by a crash or a lost answer, rows inserted by other writers, and rows that waited for another relay;
 * - after `add` has left rows in the table, until none is left.
 *
 * Each topic has its own queue, memory, reads and back-off, so a failing topic delays no other topic.
 */
export class Relay {
  readonly #rows: OutboxRows
  readonly #holding: Holding
  readonly #push: Push
  readonly #log: FastifyBaseLogger
  readonly #broker: DependencyStatus
  readonly #refusal: DependencyStatus
  readonly #kafkaName: (name: string) => string
  readonly #topics = new Map<string, TopicRelay>()
  #scanning = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  /** @param kafkaName returns a topic's name on the broker, for the log */
  constructor (rows: OutboxRows, leases: Leases, push: Push, log: FastifyBaseLogger, kafkaName = (name: string) => name) {
    this.#rows = rows
    this.#holding = new Holding(leases)
    this.#push = push
    this.#log = log
    this.#kafkaName = kafkaName
    this.#broker = new DependencyStatus(log, 'the broker')
    this.#refusal = new DependencyStatus(log, 'the outbox')
  }

  /** The `relay_id` with which to insert rows that are then passed to `add`. */
  get relayId (): number {
    return this.#holding.own
  }

  start (): void {
    this.#scanning = this.#scan().finally(() => {
      if (!this.#isStopped) this.#timer = setTimeout(() => this.start(), relay.scanEveryMs)
    })
  }

  /** Queues a row whose transaction is committed. */
  add (row: InsertedRow): void {
    this.#topic(row.type).add(row)
  }

  /** Reports whether a broker is connected. While none is, each topic has only one push in flight. */
  brokerIsBack (isBack: boolean): void {
    if (isBack) this.#broker.recovered()
    else this.#broker.failed()
  }

  /** Stops within 1.8 s. Rows not acknowledged by then are sent by another relay, or after the next start. */
  async stop (): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await Promise.all([...this.#topics.values()].map(async topic => await topic.stop()))
    const released = this.#scanning.then(async () => await this.#holding.release()).catch(() => {})
    await Promise.race([released, delay(shutdown.relayReleaseMs)])
  }

  #topic (name: string): TopicRelay {
    const known = this.#topics.get(name)
    if (known !== undefined) return known
    const topic = new TopicRelay(name, this.#kafkaName(name), this.#rows, this.#holding, this.#push, this.#log, this.#broker)
    this.#topics.set(name, topic)
    return topic
  }

  /** Renews the lease and reads the topics that have waiting rows. */
  async #scan (): Promise<void> {
    try {
      await this.#holding.renew()
      const names = this.#holding.isValid ? await this.#rows.topics(this.#holding.ids) : []
      if (this.#isStopped) return
      for (const name of names) this.#topic(name).read()
      this.#refusal.recovered()
    } catch (err) {
      // Only refused statements are reported here: an unreachable database has its own log line.
      if (isOfStatement(err)) this.#refusal.failed(err, {}, 'the database refuses to read it or its leases')
      else this.#log.debug({ err }, 'outbox not read')
    }
  }
}
