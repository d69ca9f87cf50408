import { defer, type Db } from '../database/transaction.js'
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

// Its plan is kept, and is often made while the table is empty, when reading all of it looks cheap. A backlog of events would
// then be read whole for each new one, which costs seconds just when the broker is away.
const onlyByIndex = { name: 'only-by-index', text: 'set local enable_seqscan = off' }
const asBefore = { name: 'as-before', text: 'set local enable_seqscan to default' }

/** Inserts rows in the order given, with the next statement of `db` or its commit, and then calls back with them. */
export async function insertRows (db: Db, messages: OutboundMessage[], relayId: number, aggregateType: string, onInserted: (rows: InsertedRow[]) => void): Promise<void> {
  await defer(db, onlyByIndex)
  await defer(db, { name: 'outbox-add', text: insertSql, values: [JSON.stringify(messages), relayId, aggregateType] }, ({ rows }) => {
    const previous = rows.length === 0 ? undefined : new Map((rows as Array<{ id: string, previous: string }>).map(row => [row.id, row.previous]))
    onInserted(messages.map(({ id, aggregateid, type, payload, traceparent }) => ({
      id, aggregateid, type, payload, traceparent, relay_id: relayId, previous: previous?.get(id) ?? null
    })))
  })
  await defer(db, asBefore)
}
