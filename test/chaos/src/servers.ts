import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { EMBEDDED_BROKER_SETTINGS, newDatabase, startPostgres } from '@pair/dev'
import { startBroker, type Connection } from '@pair/kafka'
import { connection, connectionEnvironment, isConnectionGiven } from '@pair/kafka/connection'
import { startProxy, type Proxy } from './proxy.js'

/** A broker, and the ways in which it can be taken away. */
export interface TestBroker {
  readonly kafka: Connection
  readonly description: string
  readonly ways: ReadonlyArray<{ what: string, away: () => unknown, back: () => unknown }>
  /** Of the services. */
  readonly settings: Record<string, string>
}

/** A database behind a proxy. */
export interface TestDatabase {
  readonly url: string
  /** Past the proxy. */
  readonly direct: string
  readonly proxy: Proxy
}

/**
 * It keeps address and log while it is away: a real Kafka that is told so (by the settings of the services, and
 * KAFKA_CONTROL), or the embedded one, which keeps its memory while it is paused.
 */
export async function openBroker (): Promise<TestBroker> {
  const { KAFKA_CONTROL, KAFKA_PREFIX = '' } = process.env
  if (!isConnectionGiven(process.env)) {
    const { brokers, pid } = await startBroker()
    const pause = { what: 'paused', away: () => process.kill(pid, 'SIGSTOP'), back: () => process.kill(pid, 'SIGCONT') }
    return { kafka: { 'metadata.broker.list': brokers }, description: 'embedded', ways: [pause], settings: { KAFKA_BROKERS: brokers, KAFKA_PREFIX, ...EMBEDDED_BROKER_SETTINGS } }
  }
  const kafka = connection(process.env)
  const settings = { ...connectionEnvironment(process.env), KAFKA_PREFIX, KAFKA_SESSION_TIMEOUT_MS: '6000' }
  if (!KAFKA_CONTROL) return { kafka, description: 'given, never away (no KAFKA_CONTROL)', ways: [], settings }
  const tell = (verb: string) => async () => await promisify(execFile)(KAFKA_CONTROL, [verb], { timeout: 300_000 })
  return {
    kafka,
    description: 'given',
    ways: [
      { what: 'kill -9', away: tell('kill'), back: tell('start') },
      { what: 'paused', away: tell('pause'), back: tell('resume') },
      { what: 'stopped', away: tell('stop'), back: tell('start') }
    ],
    settings
  }
}

/** Two empty databases, each behind a proxy: on the server at DATABASE_URL, else on the embedded one. */
export async function openDatabases () {
  const postgres = process.env['DATABASE_URL'] ? undefined : await startPostgres()
  const adminUrl = process.env['DATABASE_URL'] || postgres?.adminUrl || ''
  const [users, profiles] = [await create(adminUrl), await create(adminUrl)]
  const close = async () => {
    for (const { drop } of [users, profiles]) await drop()
    await postgres?.close()
  }
  return { users: users.database, profiles: profiles.database, close }
}

async function create (adminUrl: string): Promise<{ database: TestDatabase, drop: () => Promise<void> }> {
  const { url: direct, drop } = await newDatabase(adminUrl, 'chaos')
  const url = new URL(direct)
  const proxy = await startProxy({ host: url.hostname, port: Number(url.port || 5432) })
  url.host = proxy.address
  return { database: { url: url.href, direct, proxy }, drop }
}
