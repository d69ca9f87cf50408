import type { Pool } from 'pg'
import { relayMemory } from '../limits.js'
import { isUnparked, type OutboxRow } from './table.js'

/** A read ends with the row that exceeds `readBytes`, so that large events do not fill the memory. */
const { readRows, readBytes } = relayMemory

/** A row as a read returns it. */
export interface ReadRow extends OutboxRow {
  /** An older row of the same aggregate and topic waits under another relay id and must be sent first. */
  isBlocked: boolean
  /** Another row follows. On the last row of a read: the following row was left out because of the byte limit. */
  hasNext?: boolean
}

/** The relay's statements on outbox rows. */
export interface OutboxRows {
  /** The topics of the rows that wait under these relay ids. */
  topics: (relayIds: number[]) => Promise<string[]>
  /** The first rows of a topic under these relay ids, at most 1000 rows or 8 MB. They need no lock: no other relay sends them. */
  read: (topic: string, relayIds: number[]) => Promise<ReadRow[]>
  remove: (ids: string[]) => Promise<void>
  park: (id: string, reason: string) => Promise<void>
}

// A loose index scan: jumps from topic to topic in the index, independent of the number of rows.
const topicsSql = `
  with recursive found as (
    select relay_id, (select min(type) from outbox where outbox.relay_id = held.relay_id and parked is null) as type from unnest($1::int[]) held (relay_id)
    union all
    select relay_id, (select min(type) from outbox where outbox.relay_id = found.relay_id and type > found.type and parked is null) from found where type is not null
  )
  select distinct type from found where type is not null`

// The limit stands before the check for older rows: otherwise PostgreSQL overestimates the cost and spends half a second on JIT.
const readSql = `
  with first as (
    select row.* from unnest($2::int[]) held (relay_id) cross join lateral (
      select * from outbox where outbox.relay_id = held.relay_id and type = $1 and parked is null
      order by seq, created_at, id limit ${readRows}
    ) row
    order by seq, created_at, id limit ${readRows}
  ), sized as (
    select *, sum(octet_length(payload)) over ordered - octet_length(payload) as before, lead(id) over ordered is not null as "hasNext"
    from first window ordered as (order by seq, created_at, id)
  )
  select id, aggregateid, type, payload, traceparent, relay_id, "hasNext", exists (
    select from outbox older
    where older.aggregateid = sized.aggregateid and older.type = sized.type and ${isUnparked('older')} and older.relay_id <> all($2::int[])
      and (older.seq, older.created_at, older.id) < (sized.seq, sized.created_at, sized.id)
  ) as "isBlocked"
  from sized where before < ${readBytes} order by seq, created_at, id`

export function outboxRows (pool: Pool): OutboxRows {
  return {
    async topics (relayIds) {
      const { rows } = await pool.query<{ type: string }>(topicsSql, [relayIds])
      return rows.map(({ type }) => type)
    },
    async read (topic, relayIds) {
      const { rows } = await pool.query<ReadRow>(readSql, [topic, relayIds])
      return rows
    },
    async remove (ids) {
      await pool.query('delete from outbox where id = any($1::uuid[])', [ids])
    },
    async park (id, reason) {
      await pool.query('update outbox set parked = $2 where id = $1', [id, reason])
    }
  }
}
