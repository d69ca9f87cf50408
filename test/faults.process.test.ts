import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import pg from 'pg'
import { userRegister } from '@pair/shared-topics'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { newDatabase } from './fixtures/new-database.js'
import { startProxy } from './chaos/src/proxy.js'
import { noRealKafka, realKafka } from './fixtures/real-kafka.js'
import { endsOf } from './fixtures/records.js'
import { checks, eventually, isReady, profileOf, register, registered, startService, throughout, type Service } from './fixtures/services.js'
import { brokers, isEmbedded, onBroker, pauseBroker, prefix, resumeBroker, start as startUnreachable, useBroker } from './fixtures/harness.js'

// A broker that can be taken away and comes back with its address and its log: a real Kafka that is killed and started
// again, or the embedded broker stopped and continued.
const cannotTakeAway = !isEmbedded && noRealKafka !== false
const takeAway = () => isEmbedded ? pauseBroker() : realKafka('kill')
const giveBack = () => isEmbedded ? resumeBroker() : realKafka('start')
const cleanUp: Array<() => unknown> = []

useBroker({ isTakenAway: true })

afterEach(async () => {
  for (const end of cleanUp.splice(0).reverse()) await end()
})

/** A database behind a proxy, owned by a role of its own, and an administrator's connection past both. */
async function newRemoteDatabase () {
  const database = await newDatabase()
  const url = new URL(database.url)
  const [name, role] = [url.pathname.slice(1), `${url.pathname.slice(1)}_owner`]
  const admin = new pg.Client({ connectionString: database.url })
  admin.on('error', () => {}) // the database is dropped with it
  await admin.connect()
  await admin.query(`create role ${role} login password 'right'; alter database ${name} owner to ${role}`)
  const proxy = await startProxy({ host: url.hostname, port: Number(url.port) })
  Object.assign(url, { host: proxy.address, username: role, password: 'right' })
  cleanUp.push(async () => {
    await admin.query(`alter database ${name} owner to current_user; reassign owned by ${role} to current_user; drop role ${role}`)
    await admin.end()
    await database.close()
  }, () => proxy.set('cut'))
  return { url: url.href, direct: database.url, proxy, admin, name, role }
}

async function start (name: 'user' | 'profile', DATABASE_URL: string, kafka = brokers, settings = {}): Promise<Service> {
  const service = await startService(name, { KAFKA_BROKERS: kafka, KAFKA_PREFIX: prefix, DATABASE_URL, ...settings })
  cleanUp.push(async () => { service.kill('SIGKILL'); await service.ended })
  return service
}

async function startPair (userSettings = {}) {
  const [users, profiles] = [await newRemoteDatabase(), await newRemoteDatabase()]
  const [user, profile] = await Promise.all([start('user', users.url, brokers, userSettings), start('profile', profiles.url)])
  await eventually(() => Promise.all([isReady(user), isReady(profile)]))
  return { user, profile, users, profiles }
}

test('users who register while the profile service is down have profiles after its start', async () => {
  const { user, profile, profiles } = await startPair()
  profile.kill('SIGTERM')
  expect(await profile.ended).toBe(0)
  const ids = await Promise.all([1, 2, 3].map(async () => (await registered(user)).body.user.id))
  const again = await start('profile', profiles.url)
  for (const id of ids) await profileOf(again, id)
})

test.for(['cut', 'frozen'] as const)('the user service answers 503 within 2 s when its database is away (%s), publishes nothing, and recovers by itself', async how => {
  const { user, profile, users } = await startPair()
  const first = await registered(user)
  await profileOf(profile, first.body.user.id)
  const ends = await endsOf(onBroker(userRegister.name), brokers)
  users.proxy.set(how)
  const tookMs: number[] = []
  for (let count = 0; count < 3; count++) {
    const started = performance.now()
    expect((await register(user)).status).toBe(503)
    tookMs.push(performance.now() - started)
  }
  expect(Math.min(...tookMs)).toBeLessThan(2000) // a single one may wait for a core on a busy machine
  await eventually(async () => expect(await checks(user)).toMatchObject({ status: 503, database: 'away' }))
  expect((await fetch(`${user.url}/health/live`)).status).toBe(200)
  expect(await endsOf(onBroker(userRegister.name), brokers)).toEqual(ends)
  users.proxy.set('open')
  const last = await registered(user)
  await profileOf(profile, last.body.user.id)
  // What a frozen connection still holds may be stored, and sent, when it thaws.
  const most = how === 'cut' ? 2 : 5
  const sent = () => user.lines.filter(({ msg }) => msg === 'event sent').length
  await eventually(() => expect(sent()).toBeGreaterThanOrEqual(2))
  expect(sent()).toBeLessThanOrEqual(most)
  const client = new pg.Client({ connectionString: users.direct })
  await client.connect()
  cleanUp.push(() => client.end())
  if (how === 'cut') expect((await client.query('select id from users order by created_at')).rows).toEqual([first, last].map(({ body }) => ({ id: body.user.id })))
})

test.for(['cut', 'frozen'] as const)('the profile service holds back while its database is away (%s), gives no message up, and goes on by itself', async how => {
  const { user, profile, profiles } = await startPair()
  profiles.proxy.set(how)
  const { body } = await registered(user)
  await eventually(async () => expect(await checks(profile)).toMatchObject({ status: 503, database: 'away' }))
  await eventually(() => expect(profile.lines.map(({ msg }) => msg)).toContainEqual(expect.stringMatching(/what the handler depends on/)))
  profiles.proxy.set('open')
  await profileOf(profile, body.user.id)
  expect(profile.lines.map(({ msg }) => msg)).not.toContain('message dead-lettered')
})

test('a database that refuses connections is away: 503 from the first request on, and no message is given up', async () => {
  const { user, profile, users, profiles } = await startPair()
  const first = await registered(user)
  await profileOf(profile, first.body.user.id)
  const refuse = async ({ admin, name, role }: Awaited<ReturnType<typeof newRemoteDatabase>>) => {
    await admin.query(`revoke connect on database ${name} from public, ${role}`)
    await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [role])
  }
  await refuse(profiles)
  const { body } = await registered(user)
  await refuse(users)
  for (let count = 0; count < 3; count++) expect((await register(user)).status).toBe(503)
  await eventually(async () => {
    expect(await checks(user)).toMatchObject({ status: 503, database: 'away' })
    expect(await checks(profile)).toMatchObject({ status: 503, database: 'away' })
  })
  // Longer than the 5 attempts that an unknown error gets.
  await eventually(() => expect(profile.lines).toContainEqual(expect.objectContaining({ msg: expect.stringMatching(/what the handler depends on/), err: expect.objectContaining({ code: '42501' }) })))
  await throughout(2500, () => expect(profile.lines.map(({ msg }) => msg)).not.toContain('message dead-lettered'))
  for (const { admin, name, role } of [users, profiles]) await admin.query(`grant connect on database ${name} to ${role}`)
  await profileOf(profile, body.user.id)
  await registered(user)
})

test('a schema that is changed under running services costs no message: requests are answered 503, messages wait, and the log says what is wrong', async () => {
  const { user, profile, users, profiles } = await startPair()
  await profiles.admin.query('alter table profiles rename username to nickname')
  const { body } = await registered(user)
  await users.admin.query('alter table users rename username to nickname')
  expect((await register(user)).status).toBe(503)
  await eventually(() => expect(profile.lines).toContainEqual(expect.objectContaining({
    msg: 'what the handler depends on: its schema or rights are not what this version needs, trying again',
    err: expect.objectContaining({ code: '42703', message: expect.stringContaining('column "username" of relation "profiles" does not exist') })
  })))
  await throughout(2500, () => expect(profile.lines.map(({ msg }) => msg)).not.toContain('message dead-lettered'))
  for (const [{ admin }, table] of [[users, 'users'], [profiles, 'profiles']] as const) await admin.query(`alter table ${table} rename nickname to username`)
  await profileOf(profile, body.user.id)
  await registered(user)
})

test('an event too large for the broker is parked with its reason, and those behind it go on', async () => {
  const { user, profile, users } = await startPair()
  const client = new pg.Client({ connectionString: users.direct })
  await client.connect()
  cleanUp.push(() => client.end())
  await client.query(`insert into outbox (id, aggregatetype, aggregateid, type, payload)
    values (gen_random_uuid(), 'user', 'large', $1, repeat('x', 2000000)), (gen_random_uuid(), 'user', 'poison', $1, 'rubbish')`, [userRegister.name])
  user.kill('SIGTERM')
  await user.ended
  const again = await start('user', users.url)
  await eventually(async () => {
    const { rows } = await client.query('select aggregateid, parked from outbox')
    expect(rows).toEqual([{ aggregateid: 'large', parked: expect.stringMatching(/size too large/i) }])
  })
  await profileOf(profile, (await registered(again)).body.user.id)
  const unreadable = () => profile.lines.filter(({ msg, reason }) => msg === 'message dead-lettered' && reason === 'not-decodable')
  await eventually(() => expect(unreadable()).toHaveLength(1))

  // Once it fits and is free again, the next start sends it.
  await client.query("update outbox set payload = 'small', parked = null")
  again.kill('SIGTERM')
  await again.ended
  await start('user', users.url)
  await eventually(() => expect(unreadable()).toHaveLength(2))
  await eventually(async () => expect((await client.query('select from outbox')).rowCount).toBe(0))
})

test('services that start before broker and database are alive, unready, and become ready by themselves', async () => {
  const [users, profiles] = [await newRemoteDatabase(), await newRemoteDatabase()]
  const [host = '', port] = brokers.split(':')
  const kafka = await startProxy({ host, port: Number(port) })
  cleanUp.push(() => kafka.set('cut'))
  for (const proxy of [kafka, users.proxy, profiles.proxy]) proxy.set('cut')
  const [user, profile] = await Promise.all([start('user', users.url, kafka.address), start('profile', profiles.url, kafka.address)])
  for (const service of [user, profile]) {
    expect((await fetch(`${service.url}/health/live`)).status).toBe(200)
    expect((await checks(service)).status).toBe(503)
  }
  for (const proxy of [kafka, users.proxy, profiles.proxy]) proxy.set('open')
  await eventually(() => Promise.all([isReady(user), isReady(profile)]))
  await profileOf(profile, (await registered(user)).body.user.id)
})

test.for(['nothing', 'the broker', 'the broker (for so long that the group is lost)', 'the database', 'a silent database'])('SIGTERM ends both services with 0 within the grace time with %s away and work under way', async (what, { skip }) => {
  if (what.startsWith('the broker')) skip(cannotTakeAway, 'nobody can take this broker away')
  const { user, profile, users, profiles } = await startPair({ LOG_LEVEL: 'debug' })
  await registered(user)
  if (what.startsWith('the broker')) {
    await eventually(() => expect(profile.lines.map(({ msg }) => msg)).toContain('profile created')) // and not committed yet
    await takeAway()
    cleanUp.push(giveBack)
  }
  if (what.includes('lost')) await eventually(() => expect(profile.lines.map(({ msg }) => msg)).toContain('kafka: no member of the group any more'))
  for (const { proxy } of [users, profiles]) {
    if (what === 'the database') proxy.set('cut')
    if (what === 'a silent database') proxy.set('frozen')
  }
  const requests = () => user.lines.filter(({ msg }) => msg === 'incoming request').length
  const before = requests()
  const underWay = Promise.allSettled(Array.from({ length: 20 }, () => register(user)))
  await eventually(() => expect(requests()).toBeGreaterThan(before))
  const started = performance.now()
  for (const service of [user, profile]) service.kill('SIGTERM')
  expect(await Promise.all([user.ended, profile.ended])).toEqual([0, 0])
  expect(performance.now() - started).toBeLessThan(30_000) // 10 s, on a machine three times slower
  await underWay
})

test.for(['user', 'profile', 'examples/payments/microservices/payments', 'examples/music/microservices/mailing'])('SIGTERM ends %s with 0 within the grace time also before it has reached its database, or while a server there says nothing', async folder => {
  const silent = createServer(socket => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1')
  onTestFinished(() => { silent.close() })
  await once(silent, 'listening')
  for (const port of [1, (silent.address() as AddressInfo).port]) {
    const service = await startUnreachable(folder, `postgres://user@127.0.0.1:${port}/none`, brokers, { PROVIDER_URL: 'http://127.0.0.1:1', MAIL_URL: 'smtp://127.0.0.1:1' })
    await eventually(async () => expect(await checks(service)).toMatchObject({ status: 503, database: 'away' }))
    if (port !== 1) await once(silent, 'connection')
    service.kill('SIGTERM')
    expect(await service.ended).toBe(0) // 1 at its time limit
  }
})
