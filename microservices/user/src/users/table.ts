import { sql } from 'drizzle-orm'
import { pgTable, text, timestamp, uniqueIndex, uuid } from 'drizzle-orm/pg-core'

/** Kept as typed, unique in any case of letters. */
export const users = pgTable('users', {
  id: uuid().primaryKey(),
  email: text().notNull(),
  username: text().notNull(),
  created_at: timestamp({ withTimezone: true }).notNull()
}, table => [
  // The first one to be created is the first one to be checked: where both are taken, the answer names the email.
  uniqueIndex('users_email_key').on(sql`lower(${table.email})`),
  uniqueIndex('users_username_key').on(sql`lower(${table.username})`)
])
