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
 * Brings outbox rows to the broker, each at least once, those of one aggregate and topic in order. A row leaves the table
 * only when its message is acknowledged, so it is still there whatever dies.
 *
 * Each row belongs to the relay id under which it was inserted, and only the relay that holds this id sends it: so replicas
 * share the work, and a row is sent only when every older one of its aggregate is gone or held by the same relay. A relay
 * renews its ids each second; those of a relay that died are taken by another one after 5 s, at once after a stop.
 *
 * Rows come by `add` right after their commit. Besides, the table is read
 * - each second, for what a crash or a lost answer left, what somebody else inserted, and what had to wait for another relay;
 * - after `add` had to leave rows there, until none is left.
 *
 * Each topic has its own queue, memory, reads and back-off: a topic that takes nothing delays no other one.
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

  /** @param kafkaName a topic's name as the broker knows it, for the log */
  constructor (rows: OutboxRows, leases: Leases, push: Push, log: FastifyBaseLogger, kafkaName = (name: string) => name) {
    this.#rows = rows
    this.#holding = new Holding(leases)
    this.#push = push
    this.#log = log
    this.#kafkaName = kafkaName
    this.#broker = new DependencyStatus(log, 'the broker')
    this.#refusal = new DependencyStatus(log, 'the outbox')
  }

  /** Rows that are handed to `add` are to be inserted with this `relay_id`. */
  get relayId (): number {
    return this.#holding.own
  }

  start (): void {
    this.#scanning = this.#scan().finally(() => {
      if (!this.#isStopped) this.#timer = setTimeout(() => this.start(), relay.scanEveryMs)
    })
  }

  /** Takes a row whose transaction is committed. */
  add (row: InsertedRow): void {
    this.#topic(row.type).add(row)
  }

  /** Reports whether a broker is connected; while none is, one push of each topic is outstanding. */
  brokerIsBack (isBack: boolean): void {
    if (isBack) this.#broker.recovered()
    else this.#broker.failed()
  }

  /** Ends within 1.5 s; what is not acknowledged by then is sent by another relay, or after the next start. */
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

  /** Renews the lease, and has the topics of waiting rows read. */
  async #scan (): Promise<void> {
    try {
      await this.#holding.renew()
      const names = this.#holding.isValid ? await this.#rows.topics(this.#holding.ids) : []
      if (this.#isStopped) return
      for (const name of names) this.#topic(name).read()
      this.#refusal.recovered()
    } catch (err) {
      // A database that is away has a line of its own.
      if (isOfStatement(err)) this.#refusal.failed(err, {}, 'the database refuses to read it or its leases')
      else this.#log.debug({ err }, 'outbox not read')
    }
  }
}
