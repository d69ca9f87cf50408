import { randomUUID } from 'node:crypto'
import { userUpdated, userUpdatedExample, type UserUpdated } from '@pair/music-shared-topics'
import type { Event } from '@pair/events'
import type pg from 'pg'
import { expect, onTestFinished } from 'vitest'
import { brokers, connect, onBroker, put, start, startReady } from '../../../test/fixtures/harness.js'
import { newDatabase } from '../../../test/fixtures/new-database.js'
import { endsOf, read } from '../../../test/fixtures/records.js'
import { eventually, isReady, type Service } from '../../../test/fixtures/services.js'

const folderOf = (service: string) => `examples/music/microservices/${service}`
export const topic = userUpdated.name

/** A service with a database of its own, which stays when it is killed. */
export interface Stored {
  service: Service
  client: pg.Client
  /** Starts another process on the same database. Resolves when it is ready. */
  again: (other?: Record<string, string>) => Promise<Service>
}

/** A service of this system, ready. */
export async function startStored (name: 'accounts' | 'mailing' | 'music-discovery', settings: Record<string, string> = {}): Promise<Stored> {
  const database = await newDatabase()
  onTestFinished(database.close)
  const again = async (other: Record<string, string> = {}) => {
    const service = await start(folderOf(name), database.url, brokers, { ...settings, ...other })
    await eventually(() => isReady(service))
    return service
  }
  return { service: await again(), client: await connect(database.url), again }
}

export async function startSystem (mailUrl: string) {
  const [accounts, mailing, discovery] = await Promise.all([startStored('accounts'), startStored('mailing', { MAIL_URL: mailUrl }), startStored('music-discovery')])
  return { accounts, mailing, discovery, all: [accounts, mailing, discovery] }
}

export const startSink = async (smtpPort: number) => await startReady(folderOf('mail-sink'), { SMTP_PORT: String(smtpPort) })

export interface User { id: string, username: string, password: string, email: string }

export function newUser (): User {
  const id = randomUUID()
  const username = `user-${id.slice(-12)}`
  return { id, username, password: 'password123', email: `${username}@example.com` }
}

export async function createUser ({ url }: Service, user: unknown = newUser(), headers = {}) {
  const answer = await fetch(`${url}/users`, {
    method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: typeof user === 'string' ? user : JSON.stringify(user)
  })
  return { status: answer.status, body: await answer.json() as Record<string, unknown> }
}

/** A user that exists; a machine that is too busy for its database is asked again. */
export async function created (accounts: Service, user = newUser(), headers = {}): Promise<User> {
  let isAgain = false
  await eventually(async () => {
    const { status, body } = await createUser(accounts, user, headers)
    const isStored = isAgain && status === 409 && JSON.stringify(body['errors']).includes('"id"') // by the request that was answered 503
    isAgain ||= status === 503
    expect(isStored ? 201 : status).toBe(201)
  })
  return user
}

/** A user whose event is on the topic, without the accounts service. */
export async function announced (user = newUser()): Promise<User> {
  const { id, username, email } = user
  await put({ topic: onBroker(topic), key: id, value: { ...userUpdatedExample, id: randomUUID(), subject: id, data: { id, username, email } } })
  return user
}

export interface Catalog { id: string, user: { id: string, username: string }, playlists: unknown[] }

export async function catalogsOf ({ url }: Service, userId: string): Promise<Catalog[]> {
  return await (await fetch(`${url}/catalogs?userId=${userId}`)).json() as Catalog[]
}

/** The catalogue of a user, once it is there. */
export const catalogOf = async (discovery: Service, userId: string) => await eventually(async () => {
  const [catalog, ...others] = await catalogsOf(discovery, userId)
  expect([catalog, others]).toEqual([expect.objectContaining({ id: expect.any(String) }), []])
  return catalog as Catalog
})

const partitions = [0, 1, 2, 3].map(partition => ({ partition }))
const countOf = async (name: string) => (await endsOf(onBroker(name), brokers)).reduce((sum, end) => sum + end, 0)

/** How many dead letters there are. */
export const countLetters = async () => await countOf(`${topic}.dlq`)
export const readLetters = async () => await read(onBroker(`${topic}.dlq`), await countLetters(), { brokers, from: partitions })

/** All that is on the topic. */
export async function readEvents (): Promise<Array<Event<UserUpdated>>> {
  const records = await read(onBroker(topic), await countOf(topic), { brokers, from: partitions })
  return records.map(({ value }) => JSON.parse(String(value)))
}

/** All that these services have written. */
export const logOf = (...services: Service[]) => services.flatMap(({ lines, printed, errors }) => [...lines.map(line => JSON.stringify(line)), ...printed, ...errors]).join('\n')

/** Every row of every table of a database. */
export async function dumpOf (client: pg.Client): Promise<string> {
  const { rows: tables } = await client.query<{ name: string }>("select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')")
  const dumps: string[] = []
  for (const { name } of tables) dumps.push(...(await client.query<{ row: string }>(`select t::text as row from ${name} t`)).rows.map(({ row }) => `${name} ${row}`))
  return dumps.join('\n')
}
