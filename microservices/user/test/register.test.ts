import { Writable } from 'node:stream'
import { describe, expect, test, vi } from 'vitest'
import { contract, createApp } from '@pair/service'
import { decoder, type Event } from '@pair/events'
import { userRegister } from '@pair/shared-topics'
import { registerRoute } from '../dist/users/register-route.js'

const typed = { email: 'User@Example.com', username: 'ImBatman' }

type Statement = { name: string, text: string, values: [string] }
type Ids = Set<string>

/**
 * The route, with a stub of the database.
 *
 * @param store stub of `storeWithEvents`; it returns the ids of the stored users
 * @param taken the field that the database reports as taken
 */
async function start (store: (statement: Statement, events: Event[]) => Promise<Ids>, taken: string | null = null, isUp = true) {
  const log: string[] = []
  const app = createApp('user-service', { LOG_LEVEL: 'trace' }, new Writable({ write (line, _encoding, done) { log.push(String(line)); done() } }))
  const storeWithEvents = vi.fn(store)
  app.decorate('database', { isUp, requestPool: { query: async () => ({ rows: [{ field: taken }] }) } } as never)
  app.decorate('outbox', { storeWithEvents } as never)
  await app.register(contract, { source: '/user-service' })
  await app.register(registerRoute)
  const register = async (headers = {}) => await app.inject({ method: 'POST', url: '/user/register', headers, payload: typed })
  return { register, storeWithEvents, log }
}

const all = async ({ values }: Statement) => new Set(JSON.parse(values[0]).map(({ id }: { id: string }) => id)) as Ids
const none = async () => new Set<string>()

describe('POST /user/register', () => {
  test('answers 201 with the user as typed and where it is, and stores the user with the event', async () => {
    const { register, storeWithEvents, log } = await start(all)
    const answer = await register({ traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' })
    expect(answer.statusCode).toBe(201)
    const { message, user } = answer.json()
    expect({ message, user }).toEqual({ message: 'User successfully created!', user: { id: expect.any(String), ...typed, createdAt: expect.any(String) } })
    expect(answer.headers.location).toBe(`/user/${user.id}`)

    const [, [event]] = storeWithEvents.mock.calls[0] as [unknown, [Event]]
    expect(decoder(userRegister)(Buffer.from(JSON.stringify(event)))).toMatchObject({
      ok: true, event: { subject: user.id, traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', data: { id: user.id, ...typed } }
    })
    expect(log.join('')).toContain(event.id)
    expect(log.join('').toLowerCase()).not.toContain(typed.email.toLowerCase())
  })

  test.each(['email', 'username'])('answers 409 naming the %s that is taken', async field => {
    const { register, log } = await start(none, field)
    const answer = await register()
    expect(answer.json()).toMatchObject({ status: 409, type: 'urn:problem:conflict', errors: [{ field, message: 'is taken' }] })
    expect(answer.body + log.join('')).not.toContain(typed.email)
  })

  test.each([
    ['stores nothing although no field is taken', none, true],
    ['is unreachable', async () => { throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }) }, true],
    ['does not answer', async () => { throw new Error('Query read timeout') }, true],
    ['has no tables yet', async () => { throw Object.assign(new Error('no users'), { severity: 'ERROR', code: '42P01' }) }, false]
  ])('answers 503 while the database %s', async (_what, store, isUp) => {
    const { register } = await start(store, null, isUp)
    expect((await register()).json()).toMatchObject({ status: 503, type: 'urn:problem:unavailable' })
  })
})
