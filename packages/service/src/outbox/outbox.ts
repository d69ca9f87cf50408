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

/** The transactional outbox: an event is stored in the transaction of the change that it reports, then the relay sends it. */
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
   * Adds events to the transaction of `db`. They are sent if, and only if, it commits. Events of one subject are sent in the
   * order in which they were added; if several transactions write about one subject, each must lock the changed row.
   *
   * With a `db` of `app.transaction` or of a consumer's handler, the events are stored with the next statement or the commit,
   * and reach the relay right after the commit. With a client of the caller's own, the relay finds them within a second.
   *
   * @throws Error if this service has not declared the event's topic, or the event is larger than its topic allows
   */
  async add (db: Db, events: Event | Event[]): Promise<void> {
    const messages = (Array.isArray(events) ? events : [events]).map(this.#messageOf)
    if (messages.length === 0) return
    await insertRows(db, messages, this.#relay, this.#aggregateType)
  }

  /**
   * For hot paths: stores rows and their events in one transaction and one round trip. An event is added if its subject is
   * the `id` of a row that the statement returns.
   *
   * @param statement such as `insert … returning id`; it needs a name because it is prepared
   * @returns the ids that the statement returned
   * @throws the errors of `add` and of the database
   */
  async storeWithEvents (statement: QueryConfig & { name: string }, events: Event[]): Promise<Set<string>> {
    const messages = events.map(this.#messageOf)
    let ids = new Set<string>()
    await this.#pool.transaction(async db => await insertRowsOfStored(db, statement, messages, this.#relay, this.#aggregateType, stored => { ids = stored }))
    return ids
  }
}

/** Decorates the app with the outbox. The relay starts later, when the Kafka clients are registered (plugin.ts). */
export const outbox = fp(async (app: FastifyInstance, { aggregateType }: { aggregateType: string }) => {
  const { pool, requestPool } = app.database
  const relay = new Relay(outboxRows(pool), outboxLeases(pool), app.push, app.log, app.kafkaName.bind(app))
  app.decorate('relay', relay)
  app.decorate('outbox', new Outbox(relay, app.messageOf, aggregateType, requestPool))
}, { name: 'outbox', dependencies: ['database', 'publishing'] })
