import { index, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

/**
 * Events whose effect is stored. Each row is written in the transaction of the effect, so that an event which comes again
 * is recognised if, and only if, its effect is there. CloudEvents promises that `source` + `id` names one event.
 */
export const inbox = pgTable('inbox', {
  source: text().notNull(),
  id: text().notNull(),
  seen_at: timestamp({ withTimezone: true }).notNull().defaultNow()
}, table => [primaryKey({ columns: [table.source, table.id] }), index('inbox_seen_at').on(table.seen_at)])
