import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import rdkafka from 'node-rdkafka'
import { Producer } from '@pair/kafka'
import { deadLetterTopic } from '@pair/events'
import { userRegister } from '@pair/shared-topics'
import { expect, onTestFinished, test } from 'vitest'
import { dlq } from '../packages/dlq/test/cli.js'
import { documentedRights } from './fixtures/documented-rights.js'
import { read } from './fixtures/records.js'
import { expectNoSecret } from './fixtures/secrets.js'
import { give, newCertificateUser, newScramUser, noSecuredKafka, plainUser, saslSettings, securedKafka, setScramPassword, type Principal } from './fixtures/secured-kafka.js'
import { newOauthUser } from './fixtures/token-server.js'
import { checks, eventually, expectAway, isConsuming, isReady, profileOf, reasonsOf, registered, up, within15s } from './fixtures/services.js'
import { brokers, openDatabase, prefix, said, start, useBroker } from './fixtures/harness.js'

// Whole services on listeners with TLS that deny what no ACL allows, by settings alone.

const secured = test.skipIf(noSecuredKafka)
const named = (name: string) => noSecuredKafka ? `${name} (${noSecuredKafka})` : name

useBroker()

function file (content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'secured-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'content')
  writeFileSync(path, content)
  return path
}

/** What only an operator with all rights does. */
async function putRubbish (topic: string) {
  const producer = new Producer({ bootstrapBrokers: brokers })
  onTestFinished(() => producer.close())
  await producer.send({ messages: [{ topic, key: randomUUID(), value: 'no event' }] })
}

const noOidc = !rdkafka.features.includes('oidc') && 'needs a librdkafka that was built with libcurl'
const ways: Array<[string, () => Promise<Principal> | Principal, (string | false)?]> = [
  ['SASL_SSL with SCRAM', newScramUser],
  ['SASL_SSL with PLAIN', plainUser],
  ['mutual TLS', () => newCertificateUser()],
  [`SASL_SSL with OAUTHBEARER and OIDC${noOidc ? ` (${noOidc})` : ''}`, newOauthUser, noOidc]
]

secured.for(ways)(named('with exactly the rights that the configuration page lists, services and dead-letter tool work over %s'), async ([, newUser, skipped], { skip }) => {
  skip(Boolean(skipped))
  const KAFKA_PREFIX = `${randomUUID()}.`
  const topic = KAFKA_PREFIX + userRegister.name
  const [sender, receiver, operator] = [await newUser(), await newUser(), await newUser()]
  await give(...documentedRights('user service', sender.name, KAFKA_PREFIX), ...documentedRights('profile service', receiver.name, KAFKA_PREFIX))
  const [user, profile] = await Promise.all([
    start('user', (await openDatabase()).url, undefined, { ...sender.settings, KAFKA_PREFIX }),
    start('profile', (await openDatabase()).url, undefined, { ...receiver.settings, KAFKA_PREFIX })
  ])
  await eventually(() => isConsuming(profile))
  await eventually(() => isReady(user))
  const { body } = await registered(user)
  await profileOf(profile, body.user.id)
  await eventually(() => expect(said([user, profile], 'kafka: topic created')).toBeGreaterThanOrEqual(2))

  await putRubbish(topic)
  await read(deadLetterTopic(topic), 1, { brokers, from: [0, 1, 2, 3].map(partition => ({ partition })) })
  await give(...documentedRights('`npm run dlq`', operator.name, KAFKA_PREFIX))
  const tool = { prefix: KAFKA_PREFIX, settings: operator.settings }
  expect(await dlq(['list'], tool)).toMatchObject({ code: 0, err: expect.stringContaining('1 dead letter in') })
  expect(await dlq(['replay', '--all'], tool)).toMatchObject({ code: 0, err: '1 dead letter replayed, 0 failed\n' })
  await eventually(async () => expect((await dlq(['list', '--json'], tool)).json.map(({ state }) => state).sort()).toEqual(['new', 'replayed']))
  const [letter] = (await dlq(['list', '--json', '--state', 'new'], tool)).json
  expect(await dlq(['discard', String(letter?.letter), '--why', 'a test'], tool)).toMatchObject({ code: 0, err: '1 dead letter discarded, 0 failed\n' })
  expect((await dlq(['list', '--json'], tool)).json.map(({ state }) => state).sort()).toEqual(['discarded', 'replayed'])
  expect((await dlq(['list'], tool)).out).not.toContain(operator.password)

  for (const service of [user, profile]) {
    expect(await checks(service)).toEqual(up)
    // A slow broker's late answer to the request for a topic is no missing right.
    expect(service.lines.filter(({ msg, reason }) => /refused|cannot be/.test(String(msg)) && reason !== 'ERR__TIMED_OUT')).toEqual([])
    await expectNoSecret(service, sender.password, receiver.password)
  }
})

secured(named('a wrong password is one line with the reason and away within 15 s; nothing is lost, and all goes on once it is right'), async () => {
  const { name, password } = await newScramUser()
  const right = `${password}-later`
  await give(...documentedRights('user service', name, prefix), ...documentedRights('profile service', name, prefix))
  const settings = { ...saslSettings(name, right), KAFKA_SASL_PASSWORD: undefined, KAFKA_SASL_PASSWORD_FILE: file(`${right}\n`), LOG_LEVEL: 'debug', KAFKA_PROPERTIES_FILE: file('debug=conf,security,broker\n') }
  const [user, profile] = await Promise.all([
    start('user', (await openDatabase()).url, undefined, settings),
    start('profile', (await openDatabase()).url, undefined, settings)
  ])
  await expectAway(user, profile)
  expect(await checks(profile, 'consuming')).toMatchObject({ status: 503 })
  const { body } = await registered(user)

  await setScramPassword(name, right)
  await profileOf(profile, body.user.id)
  for (const service of [user, profile]) {
    await eventually(async () => expect(await checks(service)).toEqual(up), within15s)
    // One for each of its clients.
    for (const line of reasonsOf(service)) expect(line).toMatchObject({ msg: 'kafka: no broker can be reached', broker: securedKafka().sasl, reason: expect.stringContaining('invalid credentials') })
    expect(reasonsOf(service).length).toBeLessThan(4)
    await expectNoSecret(service, password, right)
  }
})

secured(named('a client certificate that has expired is one line with the reason and away within 15 s; nothing is lost, and all is sent after a restart with a renewed one'), async () => {
  const commonName = `client-${randomUUID()}`
  const [expired, renewed] = [newCertificateUser(commonName, -1), newCertificateUser(commonName)]
  await give(...documentedRights('user service', renewed.name, prefix))
  const users = await openDatabase()
  const user = await start('user', users.url, undefined, expired.settings)
  await expectAway(user)
  await registered(user)
  expect(reasonsOf(user)).toEqual([expect.objectContaining({
    msg: 'kafka: no broker can be reached', broker: securedKafka().mtls, reason: expect.stringContaining('the broker refuses the client\'s certificate')
  })])
  await expectNoSecret(user, expired.password)

  user.kill('SIGTERM')
  expect(await user.ended).toBe(0)
  const restarted = await start('user', users.url, undefined, renewed.settings)
  await eventually(async () => expect(await checks(restarted)).toEqual(up))
  await eventually(async () => expect((await users.client.query('select from outbox')).rowCount).toBe(0))
  expect(restarted.lines).toContainEqual(expect.objectContaining({ msg: 'event sent' }))
  await expectNoSecret(restarted, renewed.password)
})

secured(named('a password that changes in its file is used after a restart; open connections stay, and nothing is lost'), async () => {
  const { name, password } = await newScramUser()
  const renewed = `${password}-renewed`
  await give(...documentedRights('user service', name, prefix), ...documentedRights('profile service', name, prefix))
  const passwordFile = file(password)
  const settings = { ...saslSettings(name, password), KAFKA_SASL_PASSWORD: undefined, KAFKA_SASL_PASSWORD_FILE: passwordFile }
  const users = await openDatabase()
  const [user, profile] = await Promise.all([
    start('user', users.url, undefined, settings),
    start('profile', (await openDatabase()).url, undefined, settings)
  ])
  await profileOf(profile, (await registered(user)).body.user.id)

  await setScramPassword(name, renewed)
  writeFileSync(passwordFile, renewed)
  await profileOf(profile, (await registered(user)).body.user.id)

  user.kill('SIGTERM')
  expect(await user.ended).toBe(0)
  const restarted = await start('user', users.url, undefined, settings)
  await eventually(async () => expect(await checks(restarted)).toEqual(up))
  await profileOf(profile, (await registered(restarted)).body.user.id)
  await expectNoSecret(restarted, password, renewed)
})
