import type { Event } from '@pair/events'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { QueryConfig } from 'pg'
import type { Db, Transactions } from '../database/transaction.js'
import type { OutboundMessage } from '../publishing/message.js'
import { insertRows, insertRowsOfStored } from './insert.js'
import { outboxLeases } from './leases.js'
import { Relay } from './relay.js'
import { outboxRows } from './rows.js'

declare module 'fastify' {
  interface FastifyInstance {
    outbox: Outbox
    relay: Relay
  }
}

/** The transactional outbox: an event is stored in the transaction of the change that it reports, and the relay sends it. */
export class Outbox {
  readonly #relay: Pick<Relay, 'relayId' | 'add'>
  readonly #messageOf: (event: Event) => OutboundMessage
  readonly #aggregateType: string
  readonly #pool: Transactions

  constructor (relay: Pick<Relay, 'relayId' | 'add'>, messageOf: (event: Event) => OutboundMessage, aggregateType: string, pool: Transactions) {
    this.#relay = relay
    this.#messageOf = messageOf
    this.#aggregateType = aggregateType
    this.#pool = pool
  }

  /**
   * Adds events to the transaction of `db`: each is sent if, and only if, that is committed, those of one subject in the order
   * in which they were added. (Where several transactions write about one subject, each must hold a lock on the row that
   * changed.) With a `db` of `app.transaction` or of a consumer's handler they are stored with the next statement or the commit,
   * which hands them to the relay at once; with a client of the caller's own they are found within a second.
   *
   * @throws Error where an event is none of a topic that this service sends, or is larger than its topic takes
   */
  async add (db: Db, events: Event | Event[]): Promise<void> {
    const messages = (Array.isArray(events) ? events : [events]).map(this.#messageOf)
    if (messages.length === 0) return
    await insertRows(db, messages, this.#relay, this.#aggregateType)
  }

  /**
   * Stores rows and the events that tell of them in one transaction and one round trip, for a hot path: an event is added
   * where its subject is the `id` of a row that the statement returns.
   *
   * @param statement `insert … returning id` or the like, with a name, since it is prepared
   * @returns those ids
   * @throws as `add`, and what the database throws
   */
  async storeWithEvents (statement: QueryConfig & { name: string }, events: Event[]): Promise<Set<string>> {
    const messages = events.map(this.#messageOf)
    let ids = new Set<string>()
    await this.#pool.transaction(async db => await insertRowsOfStored(db, statement, messages, this.#relay, this.#aggregateType, stored => { ids = stored }))
    return ids
  }
}

/** The outbox. Its rows wait for the relay, which begins when Kafka's clients are there (plugin.ts). */
export const outbox = fp(async (app: FastifyInstance, { aggregateType }: { aggregateType: string }) => {
  const { pool, requestPool } = app.database
  const relay = new Relay(outboxRows(pool), outboxLeases(pool), app.push, app.log, app.kafkaName.bind(app))
  app.decorate('relay', relay)
  app.decorate('outbox', new Outbox(relay, app.messageOf, aggregateType, requestPool))
}, { name: 'outbox', dependencies: ['database', 'publishing'] })
