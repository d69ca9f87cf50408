import { newDatabase, query, startPostgres } from '@pair/dev'

export type Postgres = Awaited<ReturnType<typeof openPostgres>>
export type Database = Awaited<ReturnType<Postgres['newDatabase']>>

/** The server at DATABASE_URL (of a role that may create databases), else the embedded one. */
export async function openPostgres () {
  const given = process.env['DATABASE_URL']
  const embedded = given ? undefined : await startPostgres()
  const adminUrl = given || embedded?.adminUrl || ''
  return {
    description: given ? 'DATABASE_URL' : 'embedded',
    /** An empty database. */
    newDatabase: async () => {
      const { url, drop } = await newDatabase(adminUrl, 'bench')
      return {
        url,
        drop,
        query: (statement: string) => query(url, statement),
        count: async (table: string) => Number((await query(url, `select count(*) from ${table}`))[0]?.['count'])
      }
    },
    close: async () => { await embedded?.close() }
  }
}
