import { expect, test } from 'vitest'
import { startKafkaProxy } from './fixtures/kafka-proxy.js'
import { checks, eventually, expectReads, profileOf, registered, throughout, up } from './fixtures/services.js'
import {
  brokers, expectOneEffectEach, expectSettled, isEmbedded, keepRegistering, newEvent, openDatabase, put, said, start, startPair, startProfile, useBroker
} from './fixtures/harness.js'

// Whoever registers while the way to the broker is not as it should be gets 201 within 3 s, and a profile.

useBroker()

// The first one: a broker has the topic from its first use on.
test('users who register while the topic does not exist, and the services cannot create it, have profiles once somebody has', async () => {
  const kafka = await startKafkaProxy(brokers)
  kafka.refuseTopics()
  const users = await openDatabase()
  const profiles = await openDatabase()
  const [user, profile] = [await start('user', users.url, kafka.address), await start('profile', profiles.url, kafka.address)]
  const { body } = await registered(user)
  await eventually(() => expect(said([profile], 'kafka: the topic does not exist yet')).toBeGreaterThan(0))
  await throughout(2000, async () => expect((await users.client.query('select 1 from outbox')).rowCount).toBe(1))
  await put({ value: newEvent() })
  await profileOf(profile, body.user.id)
  await eventually(async () => expect(await Promise.all([checks(user), checks(profile, 'consuming')])).toEqual([up, up]))
})

test.for(['cut', 'reset', 'frozen', 'half-open', 'slow'] as const)('a way to the broker that is %s keeps no user from registering within 3 s, and costs no profile', async how => {
  const kafka = await startKafkaProxy(brokers)
  const { user, users, profile, client } = await startPair(kafka.address)
  const load = keepRegistering(user, 25)
  await eventually(() => expect(load.ids.length).toBeGreaterThan(20))

  kafka.set(how)
  if (how !== 'slow') await eventually(async () => expect(await checks(user)).toEqual({ ...up, kafka: 'away' }))
  if (how === 'cut' || how === 'reset' || how === 'frozen') {
    await eventually(async () => expect((await checks(profile, 'consuming')).status).toBe(503))
    await expectReads(profile, load.ids)
    load.expectOnly201()
    kafka.set('open')
  }
  // They go on by themselves: where the way stays slow, where it is open again, and on a new connection 30 s after the old one fell silent.
  await profileOf(profile, (await registered(user)).body.user.id)
  load.expectOnly201()
  await eventually(async () => expect(await Promise.all([checks(user), checks(profile, 'consuming')])).toEqual([up, up]))
  await expectOneEffectEach(client, await load.stop())
  await expectSettled(users.client)
})

test('an idle profile service asks the broker for messages at most three times a second, and has an event at once', async () => {
  const kafka = await startKafkaProxy(brokers)
  const { profile } = await startProfile(kafka.address, { KAFKA_FETCH_WAIT_MAX_MS: undefined }) // as in production
  const [before, since] = [kafka.fetches, performance.now()]
  await throughout(3000, () => {})
  expect(kafka.fetches - before).toBeGreaterThan(0)
  expect((kafka.fetches - before) / ((performance.now() - since) / 1000)).toBeLessThan(3.5)
  const tookMs: number[] = []
  for (let count = 0; count < 7; count++) {
    const event = newEvent()
    const start = performance.now()
    await put({ value: event })
    await profileOf(profile, event.data.id)
    tookMs.push(performance.now() - start)
  }
  // The fastest: others may have waited for a core. The embedded broker answers a fetch that waits only after all of its time.
  if (!isEmbedded) expect(Math.min(...tookMs)).toBeLessThan(250)
})
