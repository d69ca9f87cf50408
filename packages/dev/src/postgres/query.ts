import { randomBytes } from 'node:crypto'
import pg from 'pg'

/** Runs one statement on a connection of its own, and returns the rows. */
export async function query<Row = Record<string, unknown>> (url: string, statement: string, values?: unknown[]): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(statement, values)).rows
  } finally {
    await client.end()
  }
}

/**
 * Creates an empty database with a random name.
 *
 * @param adminUrl URL of a role that may create databases
 * @param purpose prefix of the name
 * @param options options of CREATE DATABASE
 */
export async function newDatabase (adminUrl: string, purpose: string, options = '') {
  const name = `${purpose}_${randomBytes(8).toString('hex')}`
  await query(adminUrl, `CREATE DATABASE ${name} ${options}`)
  const url = new URL(adminUrl)
  url.pathname = `/${name}`
  return {
    url: url.href,
    /** Drops the database, and disconnects its clients. */
    drop: async (): Promise<void> => { await query(adminUrl, `DROP DATABASE ${name} WITH (FORCE)`) }
  }
}
