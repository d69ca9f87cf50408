import pg from 'pg'
import { SUPERUSER } from './data-folder.js'

/** Creates the databases that do not exist, also in a data folder that was created for other services. */
export async function createMissing (databases: readonly string[], { port, password }: { port: number, password: string }): Promise<void> {
  if (databases.length === 0) return
  const client = new pg.Client({ host: '127.0.0.1', port, user: SUPERUSER, password, database: 'postgres' })
  await client.connect()
  try {
    const { rows } = await client.query<{ datname: string }>('SELECT datname FROM pg_database')
    const existing = new Set(rows.map(({ datname }) => datname))
    for (const name of databases) {
      if (!existing.has(name)) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`)
    }
  } finally {
    await client.end()
  }
}
