import { userRegister } from 'shared-topics'
import { expect, test } from 'vitest'
import { addPartition } from './fixtures/admin.js'
import { eventually, isReady, profileOf, type Service } from './fixtures/services.js'
import {
  brokers, connect, expectOneEffectEach, isEmbedded, keepRegistering, kill, newEvent, put, said, start, startPair, startProfile, useBroker
} from './fixtures/stage.js'

// Several instances of the profile service share the partitions; each test is one way in which the shares change hands.

const [created, seen] = ['profile created', 'event seen before, nothing to do']

useBroker()

async function join (url: string): Promise<Service> {
  const profile = await start('profile', url)
  await eventually(() => isReady(profile))
  return profile
}

/** The number of partitions that it says it holds. */
const held = ({ lines }: Service) => Number(lines.findLast(line => typeof line.held === 'number')?.held ?? 0)

async function leave (profile: Service) {
  profile.kill('SIGTERM')
  expect(await profile.ended).toBe(0)
}

test('a second and a third instance join and leave under load, and each user has one profile, made once', async () => {
  const { user, profile, url, client } = await startPair()
  const load = keepRegistering(user)
  const second = await join(url)
  const third = await join(url)
  for (const one of [profile, second, third]) await eventually(() => expect(held(one)).toBeGreaterThan(0))
  await leave(second)
  await kill(third)
  await eventually(() => expect(held(profile)).toBeGreaterThanOrEqual(userRegister.partitions))
  await expectOneEffectEach(client, await load.stop())
})

test('three instances are restarted one after the other under load, and each user has one profile, made once', async () => {
  const { user, profile, url, client } = await startPair()
  const instances = [profile, await join(url), await join(url)]
  const load = keepRegistering(user)
  for (const instance of instances) {
    await leave(instance)
    const again = await join(url)
    await eventually(() => expect(held(again)).toBeGreaterThan(0))
  }
  await expectOneEffectEach(client, await load.stop())
})

test('partitions that change hands in the middle of handlers lose nothing, and no effect comes twice', async () => {
  const { profile, url, client } = await startProfile()
  const blocker = await connect(url)
  await blocker.query('begin; lock table profiles')
  const events = Array.from({ length: 40 }, () => newEvent())
  await put(...events.map((value, index) => ({ value, partition: index % userRegister.partitions })))
  await eventually(() => expect(said([profile], 'what the handler depends on: away, trying again')).toBeGreaterThan(0))

  // What hangs is not finished within the 5 s that a rebalance waits.
  const second = await start('profile', url)
  await eventually(() => expect(said([profile], 'kafka: partitions given up')).toBeGreaterThan(0))
  await eventually(() => expect(held(second)).toBeGreaterThan(0))
  await blocker.query('rollback')
  await expectOneEffectEach(client, events.map(({ subject }) => subject))
  await eventually(() => expect(said([profile, second], seen)).toBeGreaterThan(0))
})

test.for(['one after the other', 'in one batch', 'at two instances at once'])('an event that comes four times, %s, has its effect once', async how => {
  const { profile, url, client } = await startProfile()
  const instances = [profile, await join(url)]
  for (const instance of instances) await eventually(() => expect(held(instance)).toBeGreaterThan(0))
  const events = Array.from({ length: 25 }, () => newEvent())
  for (const event of events) {
    const copies = Array.from({ length: 4 }, (_, copy) => ({ value: event, partition: how.includes('instances') ? copy : 0 }))
    if (how !== 'one after the other') await put(...copies)
    else for (const copy of copies) await put(copy)
  }
  // Redelivered messages of other tests have lines, too.
  const count = (text: string, services = instances) => events.reduce((sum, { id: eventId }) => sum + said(services, text, { eventId }), 0)
  await eventually(() => expect([count(created), count(seen)]).toEqual([25, 75]))
  await expectOneEffectEach(client, events.map(({ subject }) => subject))
  if (how.includes('instances')) for (const instance of instances) expect(count(created, [instance]) + count(seen, [instance])).toBeGreaterThan(0)
})

test('a partition that is added while everything runs is read from its start', async ({ skip }) => {
  skip(isEmbedded, 'the embedded broker cannot add partitions')
  const { user, profile, client } = await startPair()
  const load = keepRegistering(user)
  const partition = await addPartition(brokers, userRegister.name)
  const event = newEvent()
  await eventually(() => put({ value: event, partition }), 30_000)
  await profileOf(profile, event.subject)
  await eventually(() => expect(said([profile], created, { partition })).toBeGreaterThan(1)) // the user service has found it, too
  await expectOneEffectEach(client, await load.stop())
})
