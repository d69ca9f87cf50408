import { expect, test } from 'vitest'
import { useBroker } from '../../../test/fixtures/harness.js'
import { checks, eventually, isReady, throughout, type Service } from '../../../test/fixtures/services.js'
import { SmtpServer } from './smtp.js'
import { announced, catalogOf, countLetters, created, logOf, newUser, readLetters, startStored, startSystem, topic, type User } from './system.js'

// What happens while the mail server is away, or refuses.

useBroker()

const away = { status: 503, database: 'up', kafka: 'up', 'mail server': 'away' }
const up = { ...away, status: 200, 'mail server': 'up' }

/** What is promised within 10 s, on a machine three times slower. */
const within10s = 30_000

async function expectMails (smtp: SmtpServer, users: User[], timeout?: number) {
  await eventually(() => { for (const { email } of users) expect(smtp.mailsTo(email)).toHaveLength(1) }, timeout)
}

async function createMany (accounts: Service, count: number) {
  const users: User[] = []
  const durations: number[] = []
  for (let index = 0; index < count; index++) {
    const since = performance.now()
    users.push(await created(accounts))
    durations.push(performance.now() - since)
  }
  return { users, fastestMs: Math.min(...durations) }
}

test('while the mail server is away, registrations are no slower, catalogues appear, mailing is unready and says so; once it is back, all mails are sent within 10 s', async () => {
  const smtp = await SmtpServer.start()
  const { accounts, mailing, discovery } = await startSystem(smtp.url)
  const before = await createMany(accounts.service, 10)
  await expectMails(smtp, before.users)
  await eventually(async () => expect(await checks(mailing.service)).toEqual(up))

  await smtp.close()
  const during = await createMany(accounts.service, 30)
  expect(during.fastestMs).toBeLessThan(3 * before.fastestMs + 100) // the fastest, because other tests may slow any of them down
  for (const { id } of during.users) await catalogOf(discovery.service, id)
  await eventually(async () => expect(await checks(mailing.service)).toEqual(away))
  expect(await checks(mailing.service, 'consuming')).toEqual(away)
  await eventually(async () => expect((await mailing.client.query('select from mails where email is not null')).rowCount).toBe(30)) // the events do not wait
  expect(await countLetters()).toBe(0)

  await smtp.open()
  await expectMails(smtp, during.users, within10s)
  await eventually(async () => expect(await checks(mailing.service)).toEqual(up))
  expect(logOf(mailing.service)).toContain('the mail server: away, trying again')
})

const refusals: Array<[what: string, answers: Parameters<SmtpServer['answer']>[0]]> = [
  ['a temporary refusal of the recipient', { RCPT: '451 4.7.1 greylisted' }],
  ['a server that is closing', { CONNECT: '421 4.3.2 closing' }],
  ['a server that takes nobody', { CONNECT: '554 5.3.2 no' }],
  ['a refused login', { AUTH: '535 5.7.8 no' }],
  ['a missing login', { MAIL: '530 5.7.0 log in' }],
  ['a refused sender', { MAIL: '550 5.1.8 who?' }],
  ['a wrong sequence', { MAIL: '503 5.5.1 no' }],
  ['a limit at the recipient', { RCPT: '550 5.4.5 daily limit' }],
  ['a limit at the mail', { '.': '550 5.4.5 daily limit' }],
  ['an address of which it does not say what is wrong', { RCPT: '550 5.1.0 no' }],
  ['a status of an address that is none of the standard', { RCPT: '550 5.1.90 limit' }],
  ['a policy', { RCPT: '554 5.7.1 relay denied' }],
  ['a refusal without a reason', { RCPT: '550 no' }]
]

test('every temporary refusal, and every one of the account, a limit or the protocol, is tried again and makes mailing unready; there is no dead letter, and once it is over the mail is sent', async () => {
  const smtp = await SmtpServer.start()
  const mailing = await startStored('mailing', { MAIL_URL: smtp.url })
  for (const [what, answers] of refusals) {
    await smtp.close() // its connection, too
    smtp.answer(answers)
    await smtp.open()
    const place = Object.keys(answers)[0] as string
    const user = await announced()
    await eventually(async () => expect(await checks(mailing.service), what).toEqual(away))
    const attempts = smtp.commands[place] ?? 0
    await eventually(() => expect(smtp.commands[place], what).toBeGreaterThan(attempts + 1))
    smtp.answer({})
    smtp.mails.length = 0 // those that were refused at their end
    await expectMails(smtp, [user], within10s)
    await eventually(async () => await isReady(mailing.service))
    expect(logOf(mailing.service), what).not.toContain(user.username)
  }
  expect(await countLetters()).toBe(0)
  expect(await mailing.client.query('select from mails where refusal is not null')).toMatchObject({ rowCount: 0 })
})

const silences: typeof refusals = [
  ['says nothing', { CONNECT: () => undefined }],
  ['says nothing any more after the recipient', { RCPT: () => undefined }]
]

test('a server that accepts the connection and says nothing is away within 10 s, and the mail is sent once it answers', async () => {
  const smtp = await SmtpServer.start()
  const mailing = await startStored('mailing', { MAIL_URL: smtp.url })
  await expectMails(smtp, [await announced()])
  for (const [what, answers] of silences) {
    await smtp.close()
    smtp.answer(answers)
    await smtp.open()
    const since = performance.now()
    const user = await announced()
    await eventually(async () => expect(await checks(mailing.service), what).toEqual(away))
    expect(performance.now() - since, what).toBeLessThan(within10s)
    smtp.answer({})
    await expectMails(smtp, [user], within10s)
    await eventually(async () => await isReady(mailing.service))
  }
  expect(await countLetters()).toBe(0)
  expect(await mailing.client.query('select from mails where refusal is not null')).toMatchObject({ rowCount: 0 })
})

test('a server that has the mail and needs longer is away within 10 s and gets no second copy; one that hangs up without an answer does, with the same Message-ID', async () => {
  const smtp = await SmtpServer.start()
  const mailing = await startStored('mailing', { MAIL_URL: smtp.url })
  let filter = (_answer: string) => {}
  const filtered = new Promise<string>(resolve => { filter = resolve })
  smtp.answer({ '.': async () => await filtered })
  const since = performance.now()
  const slow = await announced()
  await eventually(async () => expect(await checks(mailing.service)).toEqual(away))
  expect(performance.now() - since).toBeLessThan(within10s)
  await throughout(15_000, () => expect(smtp.mailsTo(slow.email)).toHaveLength(1))
  filter('250 2.0.0 taken')
  await eventually(async () => await isReady(mailing.service))
  const next = await announced()
  await expectMails(smtp, [slow, next])

  smtp.answer({ '.': () => undefined })
  const repeated = await announced()
  await expectMails(smtp, [repeated])
  await smtp.close()
  smtp.answer({})
  await smtp.open()
  await eventually(() => expect(smtp.mailsTo(repeated.email)).toHaveLength(2), within10s)
  expect(new Set(smtp.mailsTo(repeated.email).map(({ messageId }) => messageId)).size).toBe(1)
})

test('SIGTERM ends mailing with 0 also while the mail server says nothing; the next start sends the mail', async () => {
  const smtp = await SmtpServer.start()
  const mailing = await startStored('mailing', { MAIL_URL: smtp.url })
  let { service } = mailing
  for (const place of ['RCPT', '.']) {
    smtp.answer({ [place]: () => undefined })
    const before = smtp.commands[place] ?? 0
    const user = await announced()
    await eventually(() => expect(smtp.commands[place]).toBeGreaterThan(before))
    service.kill('SIGTERM')
    expect(await service.ended, place).toBe(0) // within its grace time, else it is 1
    expect((await mailing.client.query('select attempts from mails where user_id = $1', [user.id])).rows).toEqual([{ attempts: 0 }]) // given up before the time limit
    smtp.answer({})
    smtp.mails.length = 0
    service = await mailing.again()
    await expectMails(smtp, [user])
  }
})

test('a recipient that is refused for now holds up no other, and gets its mail in the end', async () => {
  const smtp = await SmtpServer.start()
  await startStored('mailing', { MAIL_URL: smtp.url })
  const later = newUser()
  smtp.answer({ RCPT: address => address === later.email ? '450 4.2.1 not now' : '250 2.1.5 yes' })
  await announced(later)
  await eventually(() => expect(smtp.commands['RCPT']).toBeGreaterThan(1))
  await expectMails(smtp, [await announced(), await announced(), await announced()], within10s)
  expect(smtp.mailsTo(later.email)).toEqual([])
  smtp.answer({})
  await expectMails(smtp, [later], within10s)
})

test('twenty recipients that are refused for now hold up no new user', async () => {
  const smtp = await SmtpServer.start()
  const mailing = await startStored('mailing', { MAIL_URL: smtp.url })
  const later = Array.from({ length: 20 }, () => newUser())
  smtp.answer({ RCPT: address => later.some(({ email }) => email === address) ? '450 4.7.1 greylisted' : '250 2.1.5 yes' })
  for (const user of later) await announced(user)
  await eventually(async () => expect((await mailing.client.query('select from mails where attempts > 2')).rowCount).toBe(20))
  await expectMails(smtp, [await announced()], within10s / 2)
  expect(smtp.mails).toHaveLength(1)
  smtp.answer({})
  await expectMails(smtp, later)
})

test('a refused recipient becomes one dead letter without the address, and the others get their mails; mailing stays ready', async () => {
  const smtp = await SmtpServer.start()
  const mailing = await startStored('mailing', { MAIL_URL: smtp.url })
  const refused = newUser()
  smtp.answer({ RCPT: address => address === refused.email ? `550 5.1.1 <${address}>: no such user` : '250 2.1.5 yes' })
  const before = await countLetters()
  const others = [await announced(), await announced(refused), await announced(), await announced()]
  await eventually(async () => expect(await countLetters()).toBe(before + 1))
  await expectMails(smtp, others.filter(user => user !== refused))
  await eventually(async () => expect(await checks(mailing.service)).toEqual(up))

  const letter = (await readLetters()).find(({ key }) => String(key) === refused.id)
  const headers = Object.fromEntries((letter?.headers ?? []).flatMap(header => Object.entries(header)).map(([name, value]) => [name, String(value)]))
  expect(headers).toMatchObject({ 'dlq.reason': 'refused', 'dlq.error': 'the mail server refuses the recipient: RCPT TO was answered 550 5.1.1', 'dlq.group': expect.stringContaining('mailing-service'), 'dlq.topic': expect.stringContaining(topic), 'dlq.offset': expect.stringMatching(/^\d+$/), 'dlq.cut': 'value' })
  expect(letter?.value).toBeNull()
  for (const text of [JSON.stringify(headers), logOf(mailing.service)]) expect(text).not.toContain(refused.username)
  expect((await mailing.client.query('select user_id from mails where email is null and refusal is not null')).rows).toEqual([{ user_id: refused.id }])

  // Nothing more of it: it is not tried again, and has one letter also after the next mail.
  const attempts = smtp.commands['RCPT']
  const last = await announced()
  await expectMails(smtp, [last])
  expect([smtp.commands['RCPT'], await countLetters()]).toEqual([Number(attempts) + 1, before + 1])
})
