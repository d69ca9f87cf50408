import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import pg from 'pg'

/** Any number will do, as long as it is the same in every replica of every version. */
const lockId = 7_264_001

/**
 * Brings the database up to date. Replicas that start at once take turns, so each migration runs once.
 *
 * @throws whatever keeps it from happening; nothing is half done, because a migration is a transaction
 */
export async function migrateDatabase (url: string, folder: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000, query_timeout: 60_000 })
  // Without a listener a connection that breaks between two queries would end the process; the next query says it too.
  client.on('error', () => {})
  await client.connect()
  try {
    // Held by the session: it goes with the connection, whatever happens to this process.
    await client.query('select pg_advisory_lock($1)', [lockId])
    await migrate(drizzle({ client }), { migrationsFolder: folder })
  } finally {
    // A server that stopped answering would not let the connection be closed politely.
    client.end().catch(() => {})
  }
}
