import { Writable } from 'node:stream'
import { describe, expect, test, vi } from 'vitest'
import { createApp } from 'shared-service'
import { decoder, userRegister } from 'shared-topics'
import { registerRoute } from '../dist/users/register-route.js'

const typed = { email: 'User@Example.com', username: 'ImBatman' }

/** The route with a database that answers as told, and a relay that only listens. */
async function start (query: (statement: { text: string, values: [string] }) => Promise<unknown>, isUp = true) {
  const log: string[] = []
  const app = createApp('user-service', { LOG_LEVEL: 'trace' }, new Writable({ write (line, _encoding, done) { log.push(String(line)); done() } }))
  const add = vi.fn()
  app.decorate('database', { isUp, pool: { query } } as never)
  app.decorate('outbox', { add } as never)
  await app.register(registerRoute)
  const register = async (headers = {}) => await app.inject({ method: 'POST', url: '/user/register', headers, payload: typed })
  return { register, add, log }
}

const stored = async ({ values: [rows] }: { values: [string] }) => ({ rows: JSON.parse(rows).map((row: { user_id: string }) => ({ id: row.user_id })) })
/** In a group a conflict is passed over; alone it is told. */
const violation = (constraint: string) => async ({ text }: { text: string }) => {
  if (text.includes('on conflict')) return { rows: [] }
  throw Object.assign(new Error('duplicate key'), { severity: 'ERROR', code: '23505', constraint, detail: `(${typed.email})` })
}

describe('POST /user/register', () => {
  test('answers 201 with the user as typed and where it is, and hands the stored event to the relay', async () => {
    const { register, add, log } = await start(stored)
    const answer = await register({ traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' })
    expect(answer.statusCode).toBe(201)
    const { message, user } = answer.json()
    expect({ message, user }).toEqual({ message: 'User successfully created!', user: { id: expect.any(String), ...typed, createdAt: expect.any(String) } })
    expect(answer.headers.location).toBe(`/user/${user.id}`)

    const [row, isFirst] = add.mock.calls[0] ?? []
    expect(isFirst).toBe(true)
    expect(row).toMatchObject({ aggregateid: user.id, type: 'user_register', traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' })
    expect(decoder(userRegister)(Buffer.from(row.payload))).toMatchObject({
      ok: true, event: { id: row.id, traceparent: row.traceparent, data: { id: user.id, ...typed } }
    })
    expect(log.join('')).toContain(row.id)
    expect(log.join('').toLowerCase()).not.toContain(typed.email.toLowerCase())
  })

  test.each([['email', 'users_email_key'], ['username', 'users_username_key']])('answers 409 naming the %s that is taken', async (field, constraint) => {
    const { register, add, log } = await start(violation(constraint))
    const answer = await register()
    expect(answer.json()).toMatchObject({ status: 409, type: 'urn:problem:conflict', errors: [{ field, message: 'is taken' }] })
    expect(add).not.toHaveBeenCalled()
    expect(answer.body + log.join('')).not.toContain(typed.email)
  })

  test.each([
    ['is away', async () => { throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }) }, true],
    ['does not answer', async () => { throw new Error('Query read timeout') }, true],
    ['has no tables yet', async () => { throw Object.assign(new Error('no users'), { severity: 'ERROR', code: '42P01' }) }, false]
  ])('answers 503 while the database %s', async (_what, query, isUp) => {
    const { register, add } = await start(query, isUp)
    expect((await register()).json()).toMatchObject({ status: 503, type: 'urn:problem:unavailable' })
    expect(add).not.toHaveBeenCalled()
  })
})
