import { randomBytes } from 'node:crypto'
import pg from 'pg'

/** The rows of one statement, on a connection of its own. */
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
 * @param adminUrl of a role that may create databases
 * @param purpose begins the name
 * @param options of CREATE DATABASE
 */
export async function newDatabase (adminUrl: string, purpose: string, options = '') {
  const name = `${purpose}_${randomBytes(8).toString('hex')}`
  await query(adminUrl, `CREATE DATABASE ${name} ${options}`)
  const url = new URL(adminUrl)
  url.pathname = `/${name}`
  return {
    url: url.href,
    /** Whoever is still connected. */
    drop: async (): Promise<void> => { await query(adminUrl, `DROP DATABASE ${name} WITH (FORCE)`) }
  }
}
