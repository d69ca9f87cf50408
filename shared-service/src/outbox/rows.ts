import type { Pool } from 'pg'
import type { OutboxRow } from './table.js'

/** The relay's three statements. */
export interface OutboxRows {
  /** The oldest rows that nobody has claimed or written for `olderThanS` seconds, claimed now, oldest first. */
  claim: (olderThanS: number, limit: number) => Promise<OutboxRow[]>
  remove: (ids: string[]) => Promise<void>
  park: (id: string, reason: string) => Promise<void>
}

// Rows that another relay is claiming at this moment are skipped, not waited for. Age, not a high-water mark, decides:
// rows become visible in another order than their ids were given out.
const claimSql = `
  with oldest as (
    select id from outbox
    where parked is null and coalesce(claimed_at, created_at) <= now() - $1 * interval '1 second'
    order by created_at, id limit $2 for update skip locked
  ), claimed as (
    update outbox set claimed_at = now() where id in (select id from oldest)
    returning id, aggregateid, type, payload, traceparent, created_at
  )
  select id, aggregateid, type, payload, traceparent from claimed order by created_at, id`

export function outboxRows (pool: Pool): OutboxRows {
  return {
    async claim (olderThanS, limit) {
      const { rows } = await pool.query<OutboxRow>({ name: 'outbox-claim', text: claimSql, values: [olderThanS, limit] })
      return rows
    },
    async remove (ids) {
      await pool.query({ name: 'outbox-remove', text: 'delete from outbox where id = any($1::uuid[])', values: [ids] })
    },
    async park (id, reason) {
      await pool.query({ name: 'outbox-park', text: 'update outbox set parked = $2 where id = $1', values: [id, reason] })
    }
  }
}
