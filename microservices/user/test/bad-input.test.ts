import { Writable } from 'node:stream'
import net, { type AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { contract, createApp } from '@pair/service'
import { registerRoute } from '../dist/users/register-route.js'
import { userRoute } from '../dist/users/user-route.js'

let app: ReturnType<typeof createApp>
const logged: string[] = []

beforeEach(async () => {
  logged.length = 0
  app = createApp('user-service', { LOG_LEVEL: 'trace' }, new Writable({
    write (chunk, _encoding, done) { logged.push(String(chunk)); done() }
  }))
  // There is no database: no request of this suite may reach it.
  app.decorate('database', { isUp: true, requestPool: { query: async () => { throw new Error('reached the database') } } } as never)
  app.decorate('outbox', { storeWithEvents: async () => { throw new Error('reached the database') } } as never)
  await app.register(contract, { source: '/user-service' })
  await app.register(registerRoute)
  await app.register(userRoute)
})
afterEach(async () => await app.close())

const good = { email: 'user@example.com', username: 'imbatman' }
const json = { 'content-type': 'application/json' }
const register = async (payload?: string, headers: Record<string, string> = json) =>
  await app.inject({ method: 'POST', url: '/user/register', headers, ...(payload === undefined ? {} : { payload }) })

describe('an invalid body is answered with 400 and the field at fault, without its value', () => {
  test.each([
    ['no body and no type', undefined, {}, 'body'],
    ['an empty body', '', json, 'body'],
    ['text that is not JSON', '{"email":secret', json, 'body'],
    ['null', 'null', json, 'body'],
    ['an array', '["secret"]', json, 'body'],
    ['deep nesting', `{"username":"secret","email":${'['.repeat(7000)}${']'.repeat(7000)}}`, json, 'email'],
    ['unknown members', JSON.stringify({ ...good, role: 'secret' }), json, 'role'],
    ['a number for the email', JSON.stringify({ ...good, email: 424242 }), json, 'email'],
    ['a number for the username', JSON.stringify({ ...good, username: 424242 }), json, 'username'],
    ['no email', JSON.stringify({ username: 'secret' }), json, 'email'],
    ['an empty email', JSON.stringify({ ...good, email: '' }), json, 'email'],
    ['an empty username', JSON.stringify({ ...good, username: '' }), json, 'username'],
    ['white space as email', JSON.stringify({ ...good, email: '   ' }), json, 'email'],
    ['white space as username', JSON.stringify({ ...good, username: '    ' }), json, 'username'],
    ['an email with white space around it', JSON.stringify({ ...good, email: ' secret@example.com ' }), json, 'email'],
    ['unicode in the email', JSON.stringify({ ...good, email: 'sécret@example.com' }), json, 'email'],
    ['unicode in the username', JSON.stringify({ ...good, username: 'sécret' }), json, 'username'],
    ['an email of 255 characters', JSON.stringify({ ...good, email: `secret@${'a.'.repeat(123)}de` }), json, 'email'],
    ['a username of 2 characters', JSON.stringify({ ...good, username: 'ab' }), json, 'username'],
    ['a username of 33 characters', JSON.stringify({ ...good, username: 'secret'.padEnd(33, 'x') }), json, 'username'],
    ['__proto__', '{"__proto__":{"secret":1},"email":"user@example.com","username":"imbatman"}', json, 'body'],
    ['constructor.prototype', '{"constructor":{"prototype":{}},"email":"user@example.com","username":"imbatman"}', json, 'body'],
    ['NUL in the email', '{"email":"secret\\u0000@example.com","username":"imbatman"}', json, 'email'],
    ['NUL in the username', '{"email":"user@example.com","username":"sec\\u0000ret"}', json, 'username']
  ])('%s', async (_what, payload, headers, field) => {
    const answer = await register(payload, headers as Record<string, string>)
    expect(answer.statusCode).toBe(400)
    expect(answer.headers['content-type']).toContain('application/problem+json')
    expect(answer.json()).toMatchObject({ type: 'urn:problem:validation', status: 400 })
    expect(answer.json().errors.map((error: { field: string }) => error.field)).toContain(field)
    expect(answer.body + logged.join('')).not.toMatch(/secret|424242|example\.com/)
  })

  test('at most 20 errors are listed', async () => {
    const answer = await register(JSON.stringify(Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`m${n}`, n]))))
    expect(answer.json().errors).toHaveLength(20)
  })
})

describe('other problems have their own status and type', () => {
  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/xml'])('415 for %s', async type => {
    const answer = await register('secret', { 'content-type': type })
    expect(answer.json()).toMatchObject({ type: 'urn:problem:unsupported-media-type', status: 415 })
    expect(answer.body + logged.join('')).not.toContain('secret')
  })

  test('413 for 17 KiB', async () => {
    const answer = await register(JSON.stringify({ ...good, email: 'secret'.padEnd(17 * 1024, 'x') }))
    expect(answer.json()).toMatchObject({ type: 'urn:problem:body-too-large', status: 413 })
  })

  test.each([
    ['GET', '/nothing/secret'], ['GET', '/user/register'], ['DELETE', '/user/register'], ['GET', '/user/secret@example.com'],
    ['GET', '/user/%00'], ['GET', '/user/%zz'], ['GET', `/user/${'secret'.repeat(100)}`], ['GET', '/user/?email=secret']
  ] as const)('404 for %s %s', async (method, url) => {
    const answer = await app.inject({ method, url })
    expect(answer.statusCode).toBe(404)
    expect(answer.json()).toMatchObject({ type: 'urn:problem:not-found', status: 404 })
    expect(answer.body + logged.join('')).not.toContain('secret')
  })

  test('500 for an internal error, which is logged and not shown to the client', async () => {
    const answer = await register(JSON.stringify(good))
    expect(answer.json()).toEqual({ type: 'urn:problem:internal', title: 'Something went wrong on our side', status: 500 })
    expect(logged.join('')).toContain('reached the database')
    expect(logged.join('')).not.toContain(good.email)
  })

  test('408 for a body slower than 10 s', async () => {
    await app.listen({ host: '127.0.0.1', port: 0 })
    const socket = net.connect((app.server.address() as AddressInfo).port, '127.0.0.1')
    socket.write('POST /user/register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"em')
    const startedAt = Date.now()
    let answer = ''
    for await (const chunk of socket) answer += String(chunk)
    expect(answer).toMatch(/^HTTP\/1.1 408 [^]*application\/problem\+json[^]*"urn:problem:request-timeout"/)
    expect(Date.now() - startedAt).toBeLessThan(30_000)
  })
})
