import { Writable } from 'node:stream'
import { describe, expect, test, vi } from 'vitest'
import { contract, createApp } from '@pair/service'
import { decoder, type Event } from '@pair/events'
import { userRegister } from '@pair/shared-topics'
import { registerRoute } from '../dist/users/register-route.js'

const typed = { email: 'User@Example.com', username: 'ImBatman' }

/** What stores users has a name, and what asks whose email or username is taken has none. */
type Statement = string | { text: string, values: [string] }

/** The route with a database that answers as told, and an outbox that only listens. */
async function start (query: (statement: Statement) => Promise<unknown>, isUp = true) {
  const log: string[] = []
  const app = createApp('user-service', { LOG_LEVEL: 'trace' }, new Writable({ write (line, _encoding, done) { log.push(String(line)); done() } }))
  const add = vi.fn(async (_db: unknown, _events: Event[]) => {})
  const db = { query }
  app.decorate('database', { isUp, requestPool: db } as never)
  app.decorate('transaction', async task => await task(db as never))
  app.decorate('outbox', { add } as never)
  await app.register(contract, { source: '/user-service' })
  await app.register(registerRoute)
  const register = async (headers = {}) => await app.inject({ method: 'POST', url: '/user/register', headers, payload: typed })
  return { register, add, db, log }
}

const stored = async (statement: Statement) => ({ rows: typeof statement === 'string' ? [] : JSON.parse(statement.values[0]).map(({ id }: { id: string }) => ({ id })) })
/** Nothing is stored, and who is asked why names the field. */
const taken = (field: string | null) => async (statement: Statement) => ({ rows: typeof statement === 'object' ? [] : [{ field }] })

describe('POST /user/register', () => {
  test('answers 201 with the user as typed and where it is, and adds the event in the transaction that stores the user', async () => {
    const { register, add, db, log } = await start(stored)
    const answer = await register({ traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' })
    expect(answer.statusCode).toBe(201)
    const { message, user } = answer.json()
    expect({ message, user }).toEqual({ message: 'User successfully created!', user: { id: expect.any(String), ...typed, createdAt: expect.any(String) } })
    expect(answer.headers.location).toBe(`/user/${user.id}`)

    const [transaction, [event]] = add.mock.calls[0] as [unknown, [Event]]
    expect(transaction).toBe(db)
    expect(decoder(userRegister)(Buffer.from(JSON.stringify(event)))).toMatchObject({
      ok: true, event: { subject: user.id, traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', data: { id: user.id, ...typed } }
    })
    expect(log.join('')).toContain(event.id)
    expect(log.join('').toLowerCase()).not.toContain(typed.email.toLowerCase())
  })

  test.each(['email', 'username'])('answers 409 naming the %s that is taken', async field => {
    const { register, add, log } = await start(taken(field))
    const answer = await register()
    expect(answer.json()).toMatchObject({ status: 409, type: 'urn:problem:conflict', errors: [{ field, message: 'is taken' }] })
    expect(add.mock.calls.flatMap(([, events]) => events)).toEqual([])
    expect(answer.body + log.join('')).not.toContain(typed.email)
  })

  test.each([
    ['takes nothing, and nobody is in the way', taken(null), true],
    ['is away', async () => { throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }) }, true],
    ['does not answer', async () => { throw new Error('Query read timeout') }, true],
    ['has no tables yet', async () => { throw Object.assign(new Error('no users'), { severity: 'ERROR', code: '42P01' }) }, false]
  ])('answers 503 while the database %s', async (_what, query, isUp) => {
    const { register, add } = await start(query, isUp)
    expect((await register()).json()).toMatchObject({ status: 503, type: 'urn:problem:unavailable' })
    expect(add.mock.calls.flatMap(([, events]) => events)).toEqual([])
  })
})
