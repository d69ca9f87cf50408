import type { QueryConfig } from 'pg'
import { afterCommit, defer, type Db } from '../database/transaction.js'
import type { OutboundMessage } from '../publishing/message.js'
import type { Relay } from './relay.js'
import { isUnparked } from './table.js'

// Rows are inserted in the given order, which sets seq. `previous` is the newest older row of the same aggregate and topic. The
// lookup uses the index outbox_aggregateid and sees the table as it was before this statement; a new aggregate has no entry there.
const addedSql = (first: number, condition = '') => `
  insert into outbox as added (id, aggregatetype, aggregateid, type, payload, traceparent, relay_id)
  select event.id, $${first + 2}, aggregateid, type, payload, traceparent, $${first + 1}
  from rows from (json_to_recordset($${first}) as (id uuid, aggregateid text, type text, payload text, traceparent text)) with ordinality as event (id, aggregateid, type, payload, traceparent, number)
  ${condition}
  order by number
  returning id, aggregateid, (
    select older.id from outbox older where older.aggregateid = added.aggregateid and older.type = added.type and ${isUnparked('older')}
    order by older.seq desc, older.created_at desc, older.id desc limit 1
  ) as previous`

const insertSql = `with added as (${addedSql(1)}) select id as "eventId", previous from added where previous is not null`

const insertStoredSql = ({ text, values = [] }: QueryConfig) => `
  with stored as (${text}), added as (${addedSql(values.length + 1, 'join stored on stored.id::text = event.aggregateid')})
  select stored.id::text as id, behind.id as "eventId", behind.previous
  from stored left join (select * from added where previous is not null) as behind on behind.aggregateid = stored.id::text`

// PostgreSQL caches the plan, and often makes it while the table is empty, when a sequential scan looks cheap. With a backlog,
// each insert would then scan the whole table: seconds for each, while the broker is unreachable.
const onlyByIndex = { name: 'only-by-index', text: 'set local enable_seqscan = off' }
const asBefore = { name: 'as-before', text: 'set local enable_seqscan to default' }

/** The part of the relay that new rows need: the id to store, and `add`, called after the commit. */
type Inserter = Pick<Relay, 'relayId' | 'add'>
interface Behind { eventId: string | null, previous: string | null }

/** Inserts rows in the given order. The insert is sent with the next statement of `db`, or with its commit. */
export async function insertRows (db: Db, messages: OutboundMessage[], relay: Inserter, aggregateType: string): Promise<void> {
  const { relayId } = relay
  const statement = { name: 'outbox-add', text: insertSql, values: [JSON.stringify(messages), relayId, aggregateType] }
  await insert<Behind>(db, statement, behind => handOver(db, messages, relay, relayId, behind))
}

/** Like `insertRows`, for the messages whose aggregate id is among the ids that `statement` returns. The statement needs a name. */
export async function insertRowsOfStored (db: Db, statement: QueryConfig, messages: OutboundMessage[], relay: Inserter, aggregateType: string, onStored: (ids: Set<string>) => void): Promise<void> {
  const { relayId } = relay
  const { name, values = [] } = statement
  const both = { name: `${name}-outbox-add`, text: insertStoredSql(statement), values: [...values, JSON.stringify(messages), relayId, aggregateType] }
  await insert<Behind & { id: string }>(db, both, stored => {
    const ids = new Set(stored.map(({ id }) => id))
    onStored(ids)
    handOver(db, messages.filter(({ aggregateid }) => ids.has(aggregateid)), relay, relayId, stored)
  })
}

async function insert<Row> (db: Db, statement: QueryConfig, onResult: (rows: Row[]) => void): Promise<void> {
  await defer(db, onlyByIndex)
  await defer(db, statement, ({ rows }) => onResult(rows))
  await defer(db, asBefore)
}

/** Passes the rows to the relay after the commit. */
function handOver (db: Db, messages: OutboundMessage[], relay: Inserter, relayId: number, behind: Behind[]): void {
  const previous = new Map(behind.filter(({ eventId }) => eventId !== null).map(({ eventId, previous }) => [eventId, previous]))
  afterCommit(db, () => {
    for (const { id, aggregateid, type, payload, traceparent } of messages) {
      relay.add({ id, aggregateid, type, payload, traceparent, relay_id: relayId, previous: previous.get(id) ?? null })
    }
  })
}
