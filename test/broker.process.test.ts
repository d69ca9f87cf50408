import { deadLetterDeclaration } from 'shared-service'
import { userRegister } from 'shared-topics'
import { expect, onTestFinished, test } from 'vitest'
import { startKafkaProxy } from './chaos/kafka-proxy.js'
import { remove } from './fixtures/admin.js'
import { noRealKafka, realKafka } from './fixtures/real-kafka.js'
import { checks, eventually, profileOf, register, throughout } from './fixtures/services.js'
import {
  brokers, cannotPause, expectOneEffectEach, expectSettled, isEmbedded, keepRegistering, openDatabase, pauseBroker, put, resumeBroker, newEvent, said, start, startPair, useBroker, watchLetters
} from './fixtures/stage.js'

// Whoever registers while the broker, or the way to it, is not as it should be gets 201 within 3 s, and a profile.

const isLost = 'kafka: no member of the group any more'
const up = { status: 200, database: 'up', kafka: 'up' }

useBroker()

// The first one: an embedded broker has the topic from its first use on.
test('users who register while the topic does not exist, and the services cannot create it, have profiles once somebody has', async ({ skip }) => {
  skip(!isEmbedded && noRealKafka !== false, 'deletes the topic, so it needs a Kafka of the tests\' own (KAFKA_CONTROL)')
  const topics = [userRegister, deadLetterDeclaration(userRegister)]
  if (!isEmbedded) for (const { name } of topics) await remove(brokers, name)
  const kafka = await startKafkaProxy(brokers)
  kafka.refuseTopics()
  const users = await openDatabase()
  const profiles = await openDatabase()
  const [user, profile] = [await start('user', users.url, kafka.address), await start('profile', profiles.url, kafka.address)]
  const { status, body } = await eventually(() => register(user))
  expect(status).toBe(201)
  await eventually(() => expect(said([profile], 'kafka: the topic does not exist yet')).toBeGreaterThan(0))
  await throughout(2000, async () => expect((await users.client.query('select 1 from outbox')).rowCount).toBe(1))
  await put({ value: newEvent() })
  await profileOf(profile, body.user.id)
  await eventually(async () => expect(await Promise.all([checks(user), checks(profile)])).toEqual([up, up]))
})

test('a profile database that is away for 60 s, and a broker that is paused for 40 s of them, cost no user a profile, and both services go on by themselves', { timeout: 300_000 }, async ({ skip }) => {
  skip(cannotPause !== false, String(cannotPause))
  const { user, users, profile, proxy, client } = await startPair()
  const lettersSince = await watchLetters()
  const load = keepRegistering(user, 25)
  await eventually(() => expect(load.ids.length).toBeGreaterThan(50))

  proxy.set('cut')
  await eventually(async () => expect(await checks(profile)).toMatchObject({ status: 503, database: 'away' }), 10_000)
  await throughout(20_000, async () => {
    expect(await checks(profile)).toMatchObject({ status: 503, database: 'away', kafka: 'up' })
    expect(said([profile], isLost)).toBe(0)
  })
  await pauseBroker()
  await throughout(40_000, async () => {
    expect((await checks(user)).status).toBe(200)
    expect((await checks(profile)).status).toBe(503)
  })
  expect(await checks(user)).toEqual({ ...up, kafka: 'away' })
  expect(said([profile], isLost)).toBe(1)
  load.expectOnly201()
  await resumeBroker()
  proxy.set('open')

  await eventually(async () => expect(await Promise.all([checks(user), checks(profile)])).toEqual([up, up]))
  await expectOneEffectEach(client, await load.stop())
  await expectSettled(users.client)
  expect(await lettersSince()).toEqual(new Map())
})

test('a broker that is killed (-9) under load and started again with its log has cost no user a profile', async ({ skip }) => {
  skip(noRealKafka !== false, 'needs a Kafka that keeps its log, and the script that kills it (KAFKA_CONTROL)')
  const { user, users, profile, client } = await startPair()
  const load = keepRegistering(user)
  await eventually(() => expect(load.ids.length).toBeGreaterThan(200))
  onTestFinished(() => realKafka('start'))
  await realKafka('kill')
  await eventually(async () => expect(await checks(user)).toEqual({ ...up, kafka: 'away' }))
  await eventually(async () => expect((await checks(profile)).status).toBe(503))
  load.expectOnly201()
  await realKafka('start')
  await eventually(async () => expect(await Promise.all([checks(user), checks(profile)])).toEqual([up, up]))
  await expectOneEffectEach(client, await load.stop())
  await expectSettled(users.client)
})

test.for(['cut', 'reset', 'frozen', 'half-open', 'slow'] as const)('a way to the broker that is %s keeps no user from registering within 3 s, and costs no profile', { timeout: 180_000 }, async how => {
  const kafka = await startKafkaProxy(brokers)
  const { user, users, profile, client } = await startPair(kafka.address)
  const load = keepRegistering(user, 25)
  await eventually(() => expect(load.ids.length).toBeGreaterThan(20))

  kafka.set(how)
  if (how !== 'slow') await eventually(async () => expect(await checks(user)).toEqual({ ...up, kafka: 'away' }))
  if (how === 'cut' || how === 'reset' || how === 'frozen') {
    await eventually(async () => expect((await checks(profile)).status).toBe(503))
    load.expectOnly201()
    kafka.set('open')
  }
  // They go on by themselves: where the way stays slow, where it is open again, and on a new connection 30 s after the old one fell silent.
  await profileOf(profile, (await register(user)).body.user.id, 55_000)
  load.expectOnly201()
  await eventually(async () => expect(await Promise.all([checks(user), checks(profile)])).toEqual([up, up]))
  await expectOneEffectEach(client, await load.stop())
  await expectSettled(users.client)
})
