import { expect, onTestFinished, test } from 'vitest'
import { noRealKafka, realKafka } from './fixtures/real-kafka.js'
import { checks, eventually, expectReads, throughout, up } from './fixtures/services.js'
import {
  cannotPause, expectOneEffectEach, expectSettled, keepRegistering, pauseBroker, resumeBroker, said, startPair, useBroker, watchLetters
} from './fixtures/harness.js'

// Whoever registers while the broker is paused or killed gets 201 within 3 s, and a profile.

const isLost = 'kafka: no member of the group any more'

useBroker({ isTakenAway: true })

test('a profile database that is away for 60 s, and a broker that is paused for 40 s of them, cost no user a profile, and both services go on by themselves', async ({ skip }) => {
  skip(cannotPause !== false, String(cannotPause))
  const { user, users, profile, proxy, client } = await startPair()
  const lettersSince = await watchLetters()
  const load = keepRegistering(user, 25)
  await eventually(() => expect(load.ids.length).toBeGreaterThan(50))

  proxy.set('cut')
  await eventually(async () => expect(await checks(profile)).toMatchObject({ status: 503, database: 'away' }))
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

  await eventually(async () => expect(await Promise.all([checks(user), checks(profile, 'consuming')])).toEqual([up, up]))
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
  await eventually(async () => expect((await checks(profile, 'consuming')).status).toBe(503))
  await expectReads(profile, load.ids)
  load.expectOnly201()
  await realKafka('start')
  await eventually(async () => expect(await Promise.all([checks(user), checks(profile, 'consuming')])).toEqual([up, up]))
  await expectOneEffectEach(client, await load.stop())
  await expectSettled(users.client)
})
