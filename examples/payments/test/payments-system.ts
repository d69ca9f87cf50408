import { randomUUID } from 'node:crypto'
import { deadLetterTopic, kafkaName } from '@pair/events'
import { createUser, getPayment, getUser, processPayment } from '@pair/payments-shared-topics'
import type pg from 'pg'
import { expect, onTestFinished } from 'vitest'
import { brokers, openDatabase, prefix, start } from '../../../test/fixtures/harness.js'
import { endsOf } from '../../../test/fixtures/records.js'
import { eventually, isConsuming, isReady, metricsOf, type Service } from '../../../test/fixtures/services.js'

/** The system, whose services a test starts one by one, each with the database of its name. What a test starts ends with it. */

type Name = 'api-gateway' | 'auth' | 'payments' | 'provider'
const folder = (name: Name) => `examples/payments/microservices/${name}`

/** A system with topics, groups and databases of its own. The rate limit is tested apart. */
export async function newSystem () {
  const ownPrefix = `${prefix}${randomUUID()}.`
  const databases = new Map<Name, Awaited<ReturnType<typeof openDatabase>>>()
  const database = async (name: Name) => {
    const known = databases.get(name) ?? await openDatabase()
    databases.set(name, known)
    return known
  }
  let providerUrl: string | undefined

  /** A service, ready; a second one of a name shares the first one's database and group. */
  async function run (name: Name, settings: Record<string, string> = {}, kafka = brokers): Promise<Service> {
    const { url } = await database(name)
    const service = await start(folder(name), url, kafka, {
      KAFKA_PREFIX: ownPrefix,
      ...name === 'api-gateway' && { RATE_LIMIT_PER_MINUTE: '1000000' },
      ...name === 'payments' && { PROVIDER_URL: providerUrl },
      ...settings
    })
    if (name === 'provider') providerUrl = service.url
    await eventually(async () => await (['auth', 'payments'].includes(name) ? isConsuming(service) : isReady(service)))
    return service
  }

  return {
    run,
    /** A topic's name on the broker. */
    onBroker: (name: string) => kafkaName(ownPrefix, name),
    /** A connection to the database of a service, past the service. */
    database: async (name: Name): Promise<pg.Client> => (await database(name)).client,
    /** Everything, an instance each. The provider first: payments is told its address. */
    async runAll () {
      const provider = await run('provider')
      const [gateway, auth, payments] = await Promise.all([run('api-gateway'), run('auth'), run('payments')])
      return { provider, gateway, auth, payments }
    }
  }
}

export interface Answer { status: number, location: string | null, headers: Headers, body: Record<string, unknown> }

export async function call ({ url }: Service, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(new URL(path, url), init)
  return { status: response.status, location: response.headers.get('location'), headers: response.headers, body: await response.json() as Record<string, unknown> }
}

export const post = async (service: Service, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  await call(service, path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })

/** What a request was answered, asked again while the machine is too busy for it, which is what 503 says. Anything else is the answer. */
export async function unlessBusy (ask: () => Promise<Answer>): Promise<Answer> {
  const { answer, error } = await eventually(async () => {
    const outcome = await ask().then(answer => ({ answer, error: undefined }), (error: unknown) => ({ answer: undefined, error }))
    expect(outcome.answer?.status).not.toBe(503)
    return outcome
  })
  if (answer === undefined) throw error
  return answer
}

const accepted = async (ask: () => Promise<Answer>): Promise<Answer> => {
  const answer = await unlessBusy(ask)
  expect(answer, JSON.stringify(answer.body)).toMatchObject({ status: 202 })
  return answer
}

export const newEmail = () => `${randomUUID()}@example.com`
/** A sign-up that is asked again may have been stored before: with another email it is not refused as taken. @returns the user's id */
export const signUp = async (gateway: Service, email?: string): Promise<string> => String((await accepted(async () => await post(gateway, '/api/auth/sign-up', { name: 'Bruce Wayne', email: email ?? newEmail() }))).body['id'])

export interface Order { userId: string, amount: number, currency: string }
export const newOrder = (userId: string, amount = 1999): Order => ({ userId, amount, currency: 'EUR' })
export const postOrder = async (gateway: Service, order: unknown, key?: string): Promise<Answer> => await post(gateway, '/api/payments/pay', order, key === undefined ? {} : { 'idempotency-key': key })

/** @returns the id of the payment */
export const pay = async (gateway: Service, order: Order, key: string = randomUUID()): Promise<string> => String((await accepted(async () => await postOrder(gateway, order, key))).body['id'])

/** The user or payment, once the answer is the expected one. A 500 ends the wait. */
export const found = async (gateway: Service, path: string, expected: object, limitMs?: number): Promise<Answer> => await eventually(async () => {
  const answer = await call(gateway, path)
  if (answer.status !== 500) expect(answer).toMatchObject(expected)
  return answer
}, limitMs).then(answer => {
  expect(answer).toMatchObject(expected)
  return answer
})
export const statusOf = async (gateway: Service, paymentId: string, status: string, limitMs?: number): Promise<Answer> => await found(gateway, `/api/payments/${paymentId}`, { status: 200, body: { id: paymentId, status } }, limitMs)

/** Status, reason and number of the payments in payments' own database. */
export async function tally (payments: pg.Client): Promise<Array<{ status: string, reason: string | null, count: number }>> {
  return (await payments.query('select status, reason, count(*)::int as count from payments group by 1, 2 order by 1, 2')).rows
}
export const expectAllProcessed = async (payments: pg.Client, count: number, limitMs?: number): Promise<void> => { await eventually(async () => expect(await tally(payments)).toEqual([{ status: 'processed', reason: null, count }]), limitMs) }

/** How often each key was charged: once, for each of these payments and for nothing else. */
export async function expectChargedOnce (provider: pg.Client, payments: pg.Client): Promise<void> {
  const { rows: charged } = await provider.query('select idempotency_key as id, id::text as charge from charges order by 1')
  const { rows: processed } = await payments.query("select id::text as id, charge_id as charge from payments where status = 'processed' order by 1")
  expect(charged).toEqual(processed)
}

/** The value of a metric of a topic, whose label this is. */
export async function metric (service: Service, name: string, topic: string, label = ''): Promise<number> {
  const series = Object.entries(await metricsOf(service)).find(([series]) => series.startsWith(`${name}{`) && series.includes(`.${topic}"`) && series.includes(label))
  return series?.[1] ?? 0
}

/** None on the broker, whichever instance may have written it: those that were killed, too. */
export async function expectNoDeadLetter ({ onBroker }: { onBroker: (name: string) => string }): Promise<void> {
  for (const topic of [createUser, getUser, processPayment, getPayment]) {
    const ends = await eventually(async () => {
      const ends = await endsOf(onBroker(deadLetterTopic(topic.name)), brokers)
      expect(ends, topic.name).not.toEqual([]) // a topic that is not there counts nothing
      return ends
    })
    expect(ends.reduce((sum, end) => sum + end, 0), topic.name).toBe(0)
  }
}

/** Freezes a process (SIGSTOP); thawed with the test at the latest, or it could not end. */
export function freeze ({ pid }: Service): () => void {
  const thaw = () => { try { process.kill(pid, 'SIGCONT') } catch {} } // it may have ended
  onTestFinished(thaw)
  process.kill(pid, 'SIGSTOP')
  return thaw
}

/** Calls `task` that often, with so many calls at the same time. @returns what it returned, in order */
export async function times<T> (count: number, lanes: number, task: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = []
  let next = 0
  await Promise.all(Array.from({ length: lanes }, async () => {
    for (let index = next++; index < count; index = next++) results[index] = await task(index)
  }))
  return results
}
