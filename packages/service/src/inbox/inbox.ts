import type { Event } from '@pair/events'
import type { Db, Transactions } from '../database/transaction.js'
import { fingerprint, isOther } from './fingerprint.js'

/** The outcome that a handler returns; undefined means `processed`. */
export type HandlerOutcome = 'processed' | 'ignored'

/** The outcome of an event that was not dead-lettered. A `duplicate` was processed before and is not handled again. */
export type Outcome = HandlerOutcome | 'duplicate'

export interface Handled {
  outcome: Outcome
  /** For a duplicate: its content differs from the processed event with the same `source` and `id`. */
  isOther?: boolean
}

// Rows are inserted in key order, so that replicas cannot deadlock. Of two equal events in one batch, the first is new. If another
// transaction is inserting the same entry, the statement waits for it, up to the statement timeout.
const enterSql = `
  with event as (
    select distinct on (source, id) * from json_to_recordset($1) as event (number int, source text, id text, fingerprint text)
    order by source, id, number
  ), entered as (
    insert into inbox (source, id, fingerprint) select source, id, fingerprint from event on conflict do nothing returning source, id
  )
  select number from event join entered using (source, id)`

const knownSql = `
  select number, inbox.fingerprint
  from json_to_recordset($1) as event (number int, source text, id text) join inbox using (source, id)`

/** The idempotent consumer: an event's inbox entry and its effect are one transaction, so neither is stored without the other. */
export class Inbox {
  readonly #pool: Transactions

  constructor (pool: Transactions) {
    this.#pool = pool
  }

  /**
   * Inserts the inbox entries of the items, and runs `task` in the same transaction for those that had no entry before.
   *
   * @param task returns the outcome of each new item; an error rolls back the transaction
   * @returns the outcome of each item
   */
  async process<Item extends { event: Event }> (items: Item[], task: (fresh: Item[], db: Db) => Promise<HandlerOutcome[]>): Promise<Handled[]> {
    const events = items.map(({ event: { type, source, id, data } }, number) => ({ number, source, id, fingerprint: fingerprint({ type, data }) }))
    return await this.#pool.transaction(async db => {
      const entered = await db.query<{ number: number }>({ name: 'inbox-enter', text: enterSql, values: [JSON.stringify(events)] })
      const fresh = new Set(entered.rows.map(({ number }) => number))
      const outcomes = fresh.size === 0 ? [] : await task(items.filter((_item, number) => fresh.has(number)), db)
      const known = fresh.size === items.length ? new Map() : await fingerprintsOf(db, events.filter(({ number }) => !fresh.has(number)))
      let next = 0
      return events.map(({ number, fingerprint }): Handled => fresh.has(number)
        ? { outcome: outcomes[next++] ?? 'processed' }
        : { outcome: 'duplicate', isOther: isOther(fingerprint, known.get(number) ?? null) })
    })
  }
}

/** Reads stored fingerprints after the insert, so that the second of two equal events in one call finds the first one's. */
async function fingerprintsOf (db: Db, events: object[]): Promise<Map<number, string | null>> {
  const { rows } = await db.query<{ number: number, fingerprint: string | null }>({ name: 'inbox-known', text: knownSql, values: [JSON.stringify(events)] })
  return new Map(rows.map(({ number, fingerprint }) => [number, fingerprint]))
}
