import { readdir, readFile } from 'node:fs/promises'
import { afterAll, beforeAll } from 'vitest'
import { newDatabase } from '../../../test/fixtures/new-database.js'
import { connectionOf } from '../dist/database/connection.js'
import { ServicePool } from '../dist/database/pool.js'

/** A database with the crash guard's table, for the tests of a file. @param opened called with its pool before the first one */
export function useGuardedDatabase (opened: (pool: ServicePool) => void): void {
  let database: Awaited<ReturnType<typeof guardedDatabase>>
  beforeAll(async () => {
    database = await guardedDatabase()
    opened(database.pool)
  })
  afterAll(async () => await database.close())
}

async function guardedDatabase () {
  const database = await newDatabase()
  const pool = new ServicePool(connectionOf(database.url), 14)
  const folder = new URL('../migrations/inbox/', import.meta.url)
  for (const name of (await readdir(folder)).sort()) await pool.query(await readFile(new URL(name, folder), 'utf8'))
  return { pool, close: async () => { await pool.end(); await database.close() } }
}
