import type { QueryConfig, QueryResult } from 'pg'
import type { OutboundMessage } from '../publishing/message.js'
import type { InsertedRow } from './table.js'

// In their order, which gives each its seq. Only rows with an older one of their aggregate and topic are returned: that is
// looked up in the index outbox_aggregateid, where a new aggregate has nothing, in the table as it was before this statement.
const insertSql = `
  with added as (
    insert into outbox as added (id, aggregatetype, aggregateid, type, payload, traceparent, relay_id)
    select id, $3, aggregateid, type, payload, traceparent, $2
    from rows from (json_to_recordset($1) as (id uuid, aggregateid text, type text, payload text, traceparent text)) with ordinality as event (id, aggregateid, type, payload, traceparent, number)
    order by number
    returning id, (
      select older.id from outbox older where older.aggregateid = added.aggregateid and older.type = added.type and older.parked is null
      order by older.seq desc, older.created_at desc, older.id desc limit 1
    ) as previous
  )
  select id, previous from added where previous is not null`

/** The statement that inserts rows, in the order given. `insertedRows` makes rows of its result. */
export function insertOf (messages: OutboundMessage[], relayId: number, aggregateType: string): QueryConfig {
  return { name: 'outbox-add', text: insertSql, values: [JSON.stringify(messages), relayId, aggregateType] }
}

export function insertedRows ({ rows }: QueryResult<{ id: string, previous: string }>, messages: OutboundMessage[], relayId: number): InsertedRow[] {
  const previous = rows.length === 0 ? undefined : new Map(rows.map(row => [row.id, row.previous]))
  return messages.map(({ id, aggregateid, type, payload, traceparent }) => ({
    id, aggregateid, type, payload, traceparent, relay_id: relayId, previous: previous?.get(id) ?? null
  }))
}
