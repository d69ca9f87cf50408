import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { database } from '../dist/database/database.js'
import { faultOf } from '../dist/database/faults.js'
import { answerWithProblems } from '../dist/http/error-answers.js'
import { newDatabase } from '../../../test/fixtures/new-database.js'

const migrations = fileURLToPath(new URL('../../../microservices/user/migrations', import.meta.url))

let admin: pg.Client
let url: URL
let close: () => Promise<void>
const role = `role_${randomBytes(6).toString('hex')}`

beforeAll(async () => {
  const created = await newDatabase()
  url = new URL(created.url)
  close = created.close
  admin = new pg.Client({ connectionString: inject('databaseUrl') })
  await admin.connect()
  await admin.query(`create role ${role} login password 'right'`)
})
afterAll(async () => {
  await close()
  await admin.query(`drop role ${role}`)
  await admin.end()
})

/** A service's access to a database, with a route that asks it something. */
async function serviceOn (address: string) {
  const app = Fastify()
  answerWithProblems(app)
  await app.register(database, { url: address, service: 'user-service', migrations })
  app.get('/', async () => (await app.database.pool.query('select pg_sleep(0.01)')).rows)
  onTestFinished(() => app.close())
  return app
}

/** The address of the database for a role that is no superuser. */
function asRole (change: (address: URL) => void = () => {}) {
  const address = new URL(url)
  address.username = role
  address.password = 'right'
  change(address)
  return address.href
}

/** Expects that a service cannot connect, that no message would be blamed for it, and that a request is answered 503. */
async function expectTransient (address: string) {
  const app = await serviceOn(address)
  const error = await app.database.pool.query('select 1').catch((error: unknown) => error)
  expect(error).toBeInstanceOf(Error)
  expect(faultOf(error), String(error)).toBe('transient')
  expect((await app.inject('/')).statusCode).toBe(503)
  return error as Error & { code?: string }
}

/** A server that lets nobody in, or ends a session, in its own way. */
async function serverThat (answer: (socket: Socket, message: Buffer, count: number) => void) {
  const server = createServer(socket => {
    let count = 0
    socket.on('data', message => answer(socket, message, count++))
    socket.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => { server.close() })
  return `postgres://user@127.0.0.1:${(server.address() as AddressInfo).port}/app`
}

function packet (type: string, ...parts: Array<string | Buffer>) {
  const body = Buffer.concat(parts.map(part => Buffer.from(part)))
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const failure = (code: string, severity: string, text: string) => packet('E', `S${severity}\0`, `C${code}\0`, `M${text}\0`, '\0')
const accepted = Buffer.concat([packet('R', Buffer.alloc(4)), packet('Z', 'I')])

describe('a database that does not let a service in is to blame, never a message:', () => {
  test('the right to connect is taken away (42501)', async () => {
    await admin.query(`revoke connect on database ${url.pathname.slice(1)} from public`)
    expect((await expectTransient(asRole())).code).toBe('42501')
    await admin.query(`grant connect on database ${url.pathname.slice(1)} to public`)
  })

  test('it takes no connections (55000)', async () => {
    const name = `test_${randomBytes(6).toString('hex')}`
    await admin.query(`create database ${name} allow_connections false`)
    await expectTransient(asRole(address => { address.pathname = name }))
    await admin.query(`drop database ${name}`)
  })

  test.each([
    ['a parameter that it does not know (42704)', '-c no_such_parameter=1'],
    ['a value that it does not take (22023)', '-c work_mem=-1']
  ])('the address carries %s', async (_what, options) => {
    await expectTransient(asRole(address => address.searchParams.set('options', options)))
  })

  test('the password is wrong', async () => {
    // Where the server trusts everybody, a role that is not there is refused all the same.
    await expectTransient(asRole(address => { address.username = 'nobody' }))
  })

  test('the role may not have another connection (53300)', async () => {
    await admin.query(`alter role ${role} connection limit 0`)
    await expectTransient(asRole())
    await admin.query(`alter role ${role} connection limit -1`)
  })

  test.each([['22023'], ['23505'], ['42501'], ['P0001'], ['XX000'], ['99999']])('a login trigger or a pooler says %s, in any language', async code => {
    await expectTransient(await serverThat(socket => socket.end(failure(code, 'ВАЖНО', 'нет'))))
  })

  test('it answers with something that is not PostgreSQL', async () => {
    await expectTransient(await serverThat(socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')))
  })

  test('it wants a password that nobody has configured', async () => {
    await expectTransient(await serverThat(socket => socket.write(packet('R', Buffer.from([0, 0, 0, 3])))))
  })
})

describe('a connection that is lost is to blame, never a message:', () => {
  test.each([
    ['a pooler ends it (XX000)', failure('XX000', 'FATAL', 'server conn crashed?')],
    ['a pooler ends it, saying nothing', Buffer.alloc(0)],
    ['a proxy writes into it', Buffer.from('HTTP/1.1 502 Bad Gateway\r\n\r\n')]
  ])('%s', async (_what, last) => {
    await expectTransient(await serverThat((socket, message, count) => {
      if (count === 0) socket.write(accepted)
      else socket.end(last)
    }))
  })

  test('an operator ends it (57P01)', async () => {
    const app = await serviceOn(asRole())
    const error = await app.database.pool.query('select pg_terminate_backend(pg_backend_pid())').catch((error: unknown) => error)
    expect(error).toBeInstanceOf(Error)
    expect(faultOf(error)).toBe('transient')
  })
})
