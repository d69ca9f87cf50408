import { pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core'

/**
 * One profile for each user. Email and username are not unique here: whether they are is for the user service to say, and
 * a rule of ours would turn its events into dead letters.
 */
export const profiles = pgTable('profiles', {
  user_id: uuid().primaryKey(),
  email: text().notNull(),
  username: text().notNull(),
  created_at: timestamp({ withTimezone: true }).notNull().defaultNow()
})
