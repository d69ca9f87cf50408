import { scryptSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { freePort } from '@pair/dev'
import { dlq } from '../../../packages/dlq/test/cli.js'
import { deadLetter } from '../../../packages/service/dist/messages/dead-letters.js'
import { brokers, onBroker, prefix, put, useBroker } from '../../../test/fixtures/harness.js'
import { eventually, outcomesOf } from '../../../test/fixtures/services.js'
import { catalogOf, catalogsOf, created, createUser, dumpOf, logOf, newUser, readEvents, startSink, startSystem, topic } from './system.js'

useBroker()

const article = `{
"id": "12345678-1234-1234-1234-123456789abc",
"username": "john_doe",
"password": "password123",
"email": "john.doe@example.com"
}`

interface SinkMail { ID: string, MessageID: string, To: Array<{ Address: string }>, Subject: string }

async function startAll () {
  const smtpPort = await freePort()
  const sink = await startSink(smtpPort)
  const system = await startSystem(`smtp://127.0.0.1:${smtpPort}`)
  const mailsTo = async (email: string) => {
    const { messages } = await (await fetch(`${sink.url}/api/v1/messages?limit=1000`)).json() as { messages: SinkMail[] }
    return messages.filter(({ To }) => To.some(({ Address }) => Address === email))
  }
  return { ...system, sink, mailsTo }
}

test("the article's request is answered 201 with its id and no password, which is in no log, topic or database", async () => {
  const { accounts, all, sink, mailsTo } = await startAll()
  const { status, body } = await createUser(accounts.service, article)
  expect({ status, body }).toEqual({ status: 201, body: { id: '12345678-1234-1234-1234-123456789abc', username: 'john_doe', email: 'john.doe@example.com' } })
  await eventually(async () => expect(await mailsTo('john.doe@example.com')).toHaveLength(1))
  expect((await createUser(accounts.service, article)).status).toBe(409)
  expect((await createUser(accounts.service, article.replace('john_doe', '?'))).status).toBe(400)

  const { rows: [user] } = await accounts.client.query<{ hash: string }>('select password_hash as hash from users')
  const [name, N, r, p, salt = '', key = ''] = user?.hash.split('$') ?? []
  const expected = scryptSync('password123', Buffer.from(salt, 'base64'), 32, { N: Number(N), r: Number(r), p: Number(p) })
  expect([name, key]).toEqual(['scrypt', expected.toString('base64')])

  const dumps = await Promise.all(all.map(async ({ client }) => await dumpOf(client)))
  expect(dumps[0]).toContain('john_doe') // what is looked through is there
  const events = await readEvents()
  expect(events).toHaveLength(1)
  for (const text of [...dumps, JSON.stringify(events), logOf(sink, ...all.map(({ service }) => service))]) expect(text).not.toContain('password123')
})

test('within 2 s there is one welcome mail with a Message-ID of the event, and the initial catalogue; the page of the sink shows the mail', async () => {
  const { accounts, discovery, sink, mailsTo } = await startAll()
  await created(accounts.service) // the topic is there from now on
  const durations: number[] = []
  let user = newUser()
  let catalog
  for (let left = 3; left > 0; left--) {
    user = newUser()
    const since = performance.now()
    await created(accounts.service, user)
    await eventually(async () => expect(await mailsTo(user.email)).toHaveLength(1))
    catalog = await catalogOf(discovery.service, user.id)
    durations.push(performance.now() - since)
  }
  expect(Math.min(...durations)).toBeLessThan(6000) // 2 s, on a machine three times slower; one stall of the machine is not counted

  expect(catalog).toEqual({ id: expect.any(String), user: { id: user.id, username: user.username }, playlists: [] })
  const event = (await readEvents()).find(({ subject }) => subject === user.id)
  expect(event).toMatchObject({ type: 'com.clonespotify.accounts.users.integration.user-updated', data: { id: user.id, username: user.username, email: user.email } })
  const [mail] = await mailsTo(user.email)
  expect(mail).toMatchObject({ MessageID: `${event?.id}@mailing.clonespotify.example`, Subject: 'Welcome to Clone Spotify' })
  expect(await (await fetch(`${sink.url}/api/v1/message/${mail?.ID}`)).json()).toMatchObject({ Text: expect.stringContaining(`Welcome, ${user.username}!`) })
  const page = await fetch(sink.url)
  expect([page.headers.get('content-type'), await page.text()]).toEqual(['text/html; charset=utf-8', expect.stringContaining(`Welcome, ${user.username}!`)])
})

test('a user that is taken is a 409 with the field, however it is written', async () => {
  const { accounts } = await startAll()
  const user = await created(accounts.service)
  const cases: Array<[field: string, body: object]> = [
    ['id', user],
    ['id', { ...newUser(), id: user.id.toUpperCase() }],
    ['username', { ...newUser(), username: user.username.toUpperCase() }],
    ['email', { ...newUser(), email: user.email.toUpperCase() }]
  ]
  for (const [field, body] of cases) {
    expect(await createUser(accounts.service, body)).toEqual({ status: 409, body: expect.objectContaining({ errors: [{ field, message: 'is taken' }] }) })
  }
  expect((await readEvents()).filter(({ data }) => data.username === user.username)).toHaveLength(1)
})

test('the same event again, another event of the user, and a replayed dead letter lead to no second mail or catalogue', async () => {
  const { accounts, mailing, discovery, mailsTo } = await startAll()
  const user = await created(accounts.service)
  await eventually(async () => expect(await mailsTo(user.email)).toHaveLength(1))
  const { id: catalogId } = await catalogOf(discovery.service, user.id)
  const event = (await readEvents()).find(({ subject }) => subject === user.id)

  const message = { topic: onBroker(topic), key: user.id, value: event }
  const [first] = await put(message, message)
  await put({ ...message, value: { ...event, id: newUser().id } })
  // A dead letter of both services, for the event that both have processed by now.
  const origin = { topic: onBroker(topic), partition: first?.partition ?? 0, offset: Number(first?.offset), timestamp: Date.now(), key: Buffer.from(user.id), value: Buffer.from(JSON.stringify(event)), headers: [], release () {} }
  for (const group of ['mailing-service', 'music-discovery-service']) {
    await put(deadLetter(origin, { reason: 'failed', error: 'of the test', attempts: 5 }, onBroker(group)) as { value: unknown })
  }
  expect(await dlq(['replay', '--all', '--topic', topic], { brokers, prefix })).toMatchObject({ code: 0 })

  for (const { service } of [mailing, discovery]) {
    await eventually(async () => expect(await outcomesOf(service, topic)).toMatchObject({ ignored: 1, duplicate: 3 }))
  }
  expect(await mailsTo(user.email)).toHaveLength(1)
  expect((await catalogsOf(discovery.service, user.id)).map(({ id }) => id)).toEqual([catalogId])
})
