import type { Event } from '@pair/events'
import type { Db, Transactions } from '../database/transaction.js'
import { fingerprint, isOther } from './fingerprint.js'

/** What a handler says that it did with an event; nothing means `processed`. */
export type HandlerOutcome = 'processed' | 'ignored'

/** What became of an event that was not dead-lettered. A `duplicate` was processed before and had no effect again. */
export type Outcome = HandlerOutcome | 'duplicate'

export interface Handled {
  outcome: Outcome
  /** Of a duplicate: it says something else than the event with its `source` and `id` that was processed before. */
  isOther?: boolean
}

// In the order of the keys, so that replicas do not wait for each other's. Of two that are the same, the first is new.
// An entry that another transaction is writing is waited for, within the time limit of a statement.
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

/** The idempotent consumer: an event's entry and its effect are one transaction, so that neither is there without the other. */
export class Inbox {
  readonly #pool: Transactions

  constructor (pool: Transactions) {
    this.#pool = pool
  }

  /**
   * Runs `task` for those of the items whose events have no entry yet, in the transaction that enters them.
   *
   * @param task says what it did with each; what it throws rolls everything back
   * @returns what became of each item
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

/** Read after the entries were made: of two events of this very call, the first one's is there. */
async function fingerprintsOf (db: Db, events: object[]): Promise<Map<number, string | null>> {
  const { rows } = await db.query<{ number: number, fingerprint: string | null }>({ name: 'inbox-known', text: knownSql, values: [JSON.stringify(events)] })
  return new Map(rows.map(({ number, fingerprint }) => [number, fingerprint]))
}
