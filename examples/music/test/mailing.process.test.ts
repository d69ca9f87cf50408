import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { kill, useBroker } from '../../../test/fixtures/harness.js'
import { checks, eventually, isReady, type Service } from '../../../test/fixtures/services.js'
import { seeded } from '../../../test/chaos/src/random.js'
import { SmtpServer } from './smtp.js'
import { announced, countLetters, created, logOf, startStored, startSystem, type User } from './system.js'

// Each mail once, and where that cannot be.

useBroker()

const count = Number(process.env['MAILING_COUNT'] ?? 100)
const kills = Number(process.env['MAILING_KILLS'] ?? 5)
const seed = Number(process.env['MAILING_SEED'] ?? randomInt(1_000_000))

/** @param isEnough whether that many are enough */
async function createAll (accounts: Service, total: number, isEnough = () => true) {
  const users: User[] = []
  let left = total
  const lane = async () => { while (left-- > 0 || !isEnough()) users.push(await created(accounts)) }
  await Promise.all([lane(), lane()])
  return users
}

test(`mailing is killed again and again under registrations: everyone has a mail, and at most one a kill came twice, with its Message-ID (MAILING_COUNT=${count} MAILING_KILLS=${kills} MAILING_SEED=${seed})`, async () => {
  const smtp = await SmtpServer.start()
  const [accounts, mailing] = await Promise.all([startStored('accounts'), startStored('mailing', { MAIL_URL: smtp.url })])
  const random = seeded(seed)
  let service = mailing.service
  const killing = (async () => {
    for (let left = kills; left > 0; left--) {
      const every = Math.max(1, Math.floor(count / (kills + 1)))
      const target = smtp.mails.length + random.within([1, every])
      const isAt = () => smtp.mails.length >= target
      // At its worst, when the server has taken the mail over and has not said so, or at any time after.
      const isUnanswered = random.pick([true, false])
      if (isUnanswered) {
        await new Promise<void>(resolve => {
          smtp.answer({
            async '.' () {
              if (isAt()) {
                await kill(service)
                resolve()
              }
              return '250 2.0.0 taken'
            }
          })
        })
      } else await eventually(() => expect(isAt()).toBe(true))
      await kill(service)
      smtp.answer({})
      service = await mailing.again()
    }
  })()
  let isOver = false
  const over = killing.finally(() => { isOver = true })
  const users = await createAll(accounts.service, count, () => isOver) // so that there is something to send at the last kill
  await over
  await eventually(() => { for (const { email } of users) expect(smtp.mailsTo(email).length).toBeGreaterThan(0) })
  await eventually(async () => expect((await mailing.client.query('select from mails where sent_at is null')).rowCount).toBe(0))
  expect(users.flatMap(({ email }) => smtp.mailsTo(email)).length - users.length).toBeLessThanOrEqual(kills)
  for (const { email } of users) expect(new Set(smtp.mailsTo(email).map(({ messageId }) => messageId)).size).toBe(1)
  expect(await countLetters()).toBe(0)
})

test('two instances of mailing send each mail once, and while one is held up by its mail the other one sends the others', async () => {
  const smtp = await SmtpServer.start()
  const [accounts, mailing] = await Promise.all([startStored('accounts'), startStored('mailing', { MAIL_URL: smtp.url })])
  await mailing.again()
  await smtp.close()
  const users = await createAll(accounts.service, 20)
  await eventually(async () => expect((await mailing.client.query('select from mails where user_id = any($1)', [users.map(({ id }) => id)])).rowCount).toBe(20))

  const others = () => smtp.mails.filter(({ to }) => to !== held && users.some(({ email }) => email === to))
  let held: string | undefined
  smtp.answer({
    async '.' (address) {
      // Of this test: an event of an earlier one may come again.
      if (held !== undefined || !users.some(({ email }) => email === address)) return '250 2.0.0 taken'
      held = address
      await eventually(() => expect(others().length).toBeGreaterThanOrEqual(19))
      return '250 2.0.0 taken'
    }
  })
  await smtp.open()
  await eventually(async () => expect((await mailing.client.query('select from mails where sent_at is null')).rowCount).toBe(0))
  expect(others().map(({ to }) => to).sort()).toEqual(users.map(({ email }) => email).filter(email => email !== held).sort())
  expect(smtp.mailsTo(String(held))).toHaveLength(1)
})

/** An instance whose mail server is away and whose mail another one has sent: it has none left to try with. */
async function startAway () {
  const [own, other] = [await SmtpServer.start(), await SmtpServer.start()]
  const mailing = await startStored('mailing', { MAIL_URL: own.url })
  await own.close()
  const user = await announced()
  await eventually(async () => expect((await checks(mailing.service)).status).toBe(503))
  await mailing.again({ MAIL_URL: other.url })
  await eventually(() => expect(other.mailsTo(user.email)).toHaveLength(1))
  await eventually(async () => expect((await mailing.client.query('select from mails where sent_at is null')).rowCount).toBe(0))
  expect((await checks(mailing.service)).status).toBe(503)
  return { own, service: mailing.service }
}

test('an instance whose mails another one has sent is ready again once it reaches its mail server', async () => {
  const { own, service } = await startAway()
  await own.open()
  await eventually(async () => await isReady(service))
  expect(own.mails).toEqual([])
})

/** A server whose answer to EHLO comes line by line and has no end. Resolves when a client is connected. */
async function drip ({ url }: SmtpServer) {
  const server = createServer(socket => {
    socket.on('error', () => {}).write('220 ready\r\n')
    const timer = setInterval(() => socket.write('250-more\r\n'), 500)
    socket.once('close', () => clearInterval(timer))
  }).listen(Number(new URL(url).port), '127.0.0.1')
  const [socket] = await once(server, 'connection') as [Socket]
  onTestFinished(() => { socket.destroy() })
  server.close()
}

test('a mail server whose answer has no end is given up: the instance is ready once another one answers', async () => {
  const { own, service } = await startAway()
  await drip(own)
  await own.open()
  await eventually(async () => await isReady(service), 60_000)
})

test('SIGTERM ends mailing with 0 also while it asks whether the mail server is back', async () => {
  const { own, service } = await startAway()
  await drip(own)
  const since = performance.now()
  service.kill('SIGTERM')
  expect(await service.ended).toBe(0)
  expect(performance.now() - since).toBeLessThan(8500) // not at its time limit of 9 s
})

test('one trace id leads from the request through all three services, and no log has an address', async () => {
  const smtp = await SmtpServer.start()
  const { accounts, mailing, discovery } = await startSystem(smtp.url)
  const traceId = randomBytes(16).toString('hex')
  const user = await created(accounts.service, undefined, { traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-01` })
  for (const [{ service }, text] of [[accounts, 'user created'], [mailing, 'mail sent'], [discovery, 'catalogue created']] as const) {
    const line = await eventually(() => {
      const found = service.lines.find(({ msg, userId }) => msg === text && userId === user.id)
      expect(found).toBeDefined()
      return found
    })
    expect(line).toMatchObject({ trace_id: traceId, ...(text === 'user created' ? {} : { eventId: expect.any(String) }) })
    for (const personal of [user.email, user.username, 'example.com']) expect(logOf(service)).not.toContain(personal)
  }
})
