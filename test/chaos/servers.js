import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { startPostgres } from 'local'
import pg from 'pg'
import { startBroker } from 'shared-kafka'
import { startProxy } from './proxy.js'

/**
 * A broker, and the ways in which it can be taken away. It keeps address and log all the while: a real Kafka that is told
 * so (KAFKA_BROKERS, KAFKA_CONTROL), or the embedded one, which keeps its memory while it is paused.
 *
 * @typedef {{ brokers: string, description: string, ways: Array<{ what: string, away: () => unknown, back: () => unknown }>, settings: Record<string, string> }} TestBroker
 * @returns {Promise<TestBroker>}
 */
export async function openBroker () {
  const { KAFKA_BROKERS, KAFKA_CONTROL } = process.env
  if (!KAFKA_BROKERS) {
    const { brokers, pid } = await startBroker()
    const pause = { what: 'paused', away: () => process.kill(pid, 'SIGSTOP'), back: () => process.kill(pid, 'SIGCONT') }
    return { brokers, description: 'embedded', ways: [pause], settings: { KAFKA_BROKERS: brokers, KAFKA_SESSION_TIMEOUT_MS: '3000' } }
  }
  const settings = { KAFKA_BROKERS, KAFKA_SESSION_TIMEOUT_MS: '6000' }
  if (!KAFKA_CONTROL) return { brokers: KAFKA_BROKERS, description: 'given, never away (no KAFKA_CONTROL)', ways: [], settings }
  /** @param {string} verb */
  const tell = verb => async () => await promisify(execFile)(KAFKA_CONTROL, [verb], { timeout: 90_000 })
  return {
    brokers: KAFKA_BROKERS,
    description: 'given',
    ways: [
      { what: 'kill -9', away: tell('kill'), back: tell('start') },
      { what: 'paused', away: tell('pause'), back: tell('resume') },
      { what: 'stopped', away: tell('stop'), back: tell('start') }
    ],
    settings
  }
}

/**
 * Two empty databases, each behind a proxy: on the server at DATABASE_URL, else on the embedded one.
 *
 * @typedef {{ url: string, direct: string, proxy: Awaited<ReturnType<typeof startProxy>> }} TestDatabase
 * @returns {Promise<{ users: TestDatabase, profiles: TestDatabase, close: () => Promise<void> }>}
 */
export async function openDatabases () {
  const postgres = process.env['DATABASE_URL'] ? undefined : await startPostgres()
  const adminUrl = process.env['DATABASE_URL'] || postgres?.adminUrl || ''
  const created = [await create(adminUrl), await create(adminUrl)]
  const [users, profiles] = /** @type {[TestDatabase, TestDatabase]} */ (created.map(({ database }) => database))
  const close = async () => {
    for (const { drop } of created) await drop()
    await postgres?.close()
  }
  return { users, profiles, close }
}

/** @param {string} adminUrl */
async function create (adminUrl) {
  const name = `chaos_${randomBytes(8).toString('hex')}`
  await ask(adminUrl, `create database ${name}`)
  const url = new URL(adminUrl)
  url.pathname = `/${name}`
  const direct = url.href
  const proxy = await startProxy({ host: url.hostname, port: Number(url.port || 5432) })
  url.host = proxy.address
  return { database: { url: url.href, direct, proxy }, drop: async () => { await ask(adminUrl, `drop database ${name} with (force)`) } }
}

/**
 * One query on a connection of its own.
 *
 * @param {string} url
 * @param {string} query
 * @param {unknown[]} [values]
 * @returns {Promise<Array<Record<string, string>>>}
 */
export async function ask (url, query, values) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(query, values)).rows ?? []
  } finally {
    await client.end()
  }
}
