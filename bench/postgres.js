import { randomBytes } from 'node:crypto'
import { startPostgres } from 'local'
import pg from 'pg'

/** @typedef {Awaited<ReturnType<typeof openPostgres>>} Postgres */

/** The server at DATABASE_URL (of a role that may create databases), else the embedded one. */
export async function openPostgres () {
  const given = process.env['DATABASE_URL']
  const embedded = given ? undefined : await startPostgres()
  const adminUrl = given || embedded?.adminUrl || ''
  return {
    description: given ? 'DATABASE_URL' : 'embedded',
    /** An empty database; ask it with `query`. */
    newDatabase: async () => {
      const name = `bench_${randomBytes(8).toString('hex')}`
      await ask(adminUrl, `create database ${name}`)
      const url = new URL(adminUrl)
      url.pathname = `/${name}`
      return {
        url: url.href,
        query: (/** @type {string} */ text, /** @type {unknown[]} */ values = []) => ask(url.href, text, values),
        drop: () => ask(adminUrl, `drop database ${name} with (force)`)
      }
    },
    close: async () => { await embedded?.close() }
  }
}

/**
 * @param {string} url
 * @param {string} text
 * @param {unknown[]} [values]
 * @returns {Promise<any[]>}
 */
async function ask (url, text, values) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(text, values)).rows
  } finally {
    await client.end()
  }
}
