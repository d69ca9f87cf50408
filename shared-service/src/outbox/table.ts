import { index, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core'

/**
 * Events that are stored but not yet acknowledged by the broker. The first six columns are those of Debezium's outbox
 * event router (with `route.by.field=type`), so that change data capture can take the relay's place without a migration.
 *
 * @see https://debezium.io/documentation/reference/stable/transformations/outbox-event-router.html
 */
export const outbox = pgTable('outbox', {
  /** The id of the event. */
  id: uuid().primaryKey(),
  aggregatetype: text().notNull(),
  /** Key of the message: events of one aggregate keep their order. */
  aggregateid: text().notNull(),
  /** Topic of the message. */
  type: text().notNull(),
  /** Value of the message: the complete event as JSON. */
  payload: text().notNull(),
  traceparent: text(),
  created_at: timestamp({ withTimezone: true }).notNull().defaultNow(),
  /** When a relay last read it back; it is that relay's for 60 s from then. */
  claimed_at: timestamp({ withTimezone: true }),
  /** Why it will not be sent: the broker would refuse it again. Set to null to have it tried again. */
  parked: text()
}, table => [index('outbox_aggregateid').on(table.aggregateid), index('outbox_created_at').on(table.created_at, table.id)])

/** What the relay needs of a row. */
export type OutboxRow = Pick<typeof outbox.$inferSelect, 'id' | 'aggregateid' | 'type' | 'payload' | 'traceparent'>
