import { userRegister } from '@pair/shared-topics'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { addPartition } from './fixtures/admin.js'
import { committed } from './fixtures/records.js'
import { eventually, isReady, profileOf, type Service } from './fixtures/services.js'
import {
  brokers, connect, expectOneEffectEach, hold, isEmbedded, keepRegistering, kill, newEvent, onBroker, openDatabase, put, said, start, startPair, startProfile, useBroker
} from './fixtures/harness.js'

// Several instances of the profile service share the partitions; each test is one way in which the shares change hands.

const [created, seen] = ['profile created', 'event seen before, nothing to do']
const [givenUp, dropped] = ['kafka: partitions given up', 'kafka: commit dropped, the message is not in flight here']

useBroker()

async function joined (url: string): Promise<Service> {
  const profile = await start('profile', url)
  await eventually(() => isReady(profile))
  return profile
}

/** The number of partitions that it says it holds. */
const held = ({ lines }: Service) => Number(lines.findLast(line => typeof line.held === 'number')?.held ?? 0)

/** Waits until handlers of these instances hang in their database, and resolves to what lets them go on. */
async function hang (url: string, ...instances: Service[]) {
  const blocker = await connect(url)
  await blocker.query('begin; lock table profiles')
  for (const one of instances) await eventually(() => expect(said([one], 'what the handler depends on: away, trying again')).toBeGreaterThan(0))
  return async () => { await blocker.query('rollback') }
}

async function leave (profile: Service) {
  profile.kill('SIGTERM')
  expect(await profile.ended).toBe(0)
}

test('a member that another one with its group.instance.id has fenced ends with one line that says why, and exit code 1', async ({ skip }) => {
  skip(isEmbedded, 'the embedded broker fences no member')
  const folder = await mkdtemp(join(tmpdir(), 'properties-'))
  onTestFinished(async () => await rm(folder, { recursive: true }))
  const file = join(folder, 'kafka.properties')
  await writeFile(file, 'group.instance.id=one\n')
  const { url } = await openDatabase()
  const settings = { KAFKA_PROPERTIES_FILE: file, KAFKA_SESSION_TIMEOUT_MS: '6000' }
  const first = await start('profile', url, brokers, settings)
  await eventually(() => isReady(first))
  await start('profile', url, brokers, settings)
  expect(await first.ended).toBe(1)
  expect(first.errors.join('')).toMatch(/^profile-service: .*fenced.*\n?$/i)
})

test('a second and a third instance join and leave under load, and each user has one profile, made once', async () => {
  const { user, profile, url, client } = await startPair()
  const load = keepRegistering(user)
  const second = await joined(url)
  const third = await joined(url)
  for (const one of [profile, second, third]) await eventually(() => expect(held(one)).toBeGreaterThan(0))
  const release = await hang(url, second, third)
  await leave(second)
  await kill(third)
  await release()
  await eventually(() => expect(held(profile)).toBeGreaterThanOrEqual(userRegister.partitions))
  await expectOneEffectEach(client, await load.stop())
})

test('three instances are restarted one after the other under load, and each user has one profile, made once', async () => {
  const { user, profile, url, client } = await startPair()
  const instances = [profile, await joined(url), await joined(url)]
  const load = keepRegistering(user)
  for (const instance of instances) {
    const release = await hang(url, instance)
    await leave(instance)
    await release()
    const again = await joined(url)
    await eventually(() => expect(held(again)).toBeGreaterThan(0))
  }
  await expectOneEffectEach(client, await load.stop())
})

test('partitions that change hands in the middle of handlers: each handler comes to its end and its commit counts', async ({ skip }) => {
  skip(isEmbedded, 'the embedded broker takes no commit in the middle of a rebalance')
  const { profile, url, client } = await startProfile()
  // What tests before this one left uncommitted comes again. It is done before it would take longer than a rebalance waits for.
  const last = await put(...Array.from({ length: userRegister.partitions }, (_, partition) => ({ value: newEvent(), partition })))
  for (const { partition, offset } of last) {
    await eventually(async () => expect(await committed(onBroker('profile-service'), onBroker(userRegister.name), partition, brokers)).toBeGreaterThan(offset))
  }
  await client.query(`create function take_time() returns trigger language plpgsql as $$ begin perform pg_sleep(0.05); return new; end $$;
    create trigger take_time before insert on profiles for each row execute function take_time()`)
  const events: Array<ReturnType<typeof newEvent>> = []
  const end = new AbortController()
  // At any moment each partition has two messages in their handlers.
  const lanes = Array.from({ length: 2 * userRegister.partitions }, async (_, lane) => {
    while (!end.signal.aborted) {
      const event = newEvent()
      await put({ value: event, partition: lane % userRegister.partitions })
      events.push(event)
      await eventually(() => expect(said([profile, ...seconds], created, { eventId: event.id }) + said([profile, ...seconds], seen, { eventId: event.id })).toBeGreaterThan(0))
    }
  })
  const seconds = [await start('profile', url)]
  await eventually(() => expect(said([profile], givenUp)).toBeGreaterThan(0))
  await eventually(() => expect(held(seconds[0] as Service)).toBeGreaterThan(0))
  end.abort()
  await Promise.all(lanes)
  expect(said([profile], dropped)).toBe(0)
  await expectOneEffectEach(client, events.map(({ subject }) => subject))
  for (const { id: eventId } of events) expect(said([profile, ...seconds], seen, { eventId })).toBe(0)
})

test('partitions that change hands while handlers hang: what they commit later passes nothing that the new owner has not done', async () => {
  const { profile, url, client } = await startProfile()
  const partitions = Array.from({ length: userRegister.partitions }, (_, partition) => partition)
  const [older, newer] = [partitions.map(() => newEvent()), partitions.map(() => newEvent())]
  const letOlderGo = await hold(url, ...older)
  const letNewerGo = await hold(url, ...newer)
  const places = await put(...[...older, ...newer].map((value, index) => ({ value, partition: index % userRegister.partitions })))
  await eventually(() => expect(said([profile], 'what the handler depends on: away, trying again')).toBeGreaterThan(0))

  // What hangs is not finished within the 5 s that a rebalance waits.
  const second = await start('profile', url)
  await eventually(() => expect(said([profile], givenUp)).toBeGreaterThan(0))
  await eventually(() => expect(held(second)).toBeGreaterThan(0))
  await letNewerGo()
  await eventually(() => expect(said([profile], dropped)).toBeGreaterThan(0))
  await eventually(() => expect(newer.map(({ id: eventId }) => said([profile, second], created, { eventId }))).toEqual(newer.map(() => 1)))
  for (const { partition, offset } of places.slice(0, userRegister.partitions)) {
    expect(await committed(onBroker('profile-service'), onBroker(userRegister.name), partition, brokers)).toBeLessThanOrEqual(offset)
  }
  await Promise.all([kill(profile), kill(second)])
  await letOlderGo()
  await start('profile', url)
  await expectOneEffectEach(client, [...older, ...newer].map(({ subject }) => subject))
})

test.for(['one after the other', 'in one batch', 'at two instances at once'])('an event that comes four times, %s, has its effect once', async how => {
  const { profile, url, client } = await startProfile()
  const instances = [profile, await joined(url)]
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
  const partition = await addPartition(brokers, onBroker(userRegister.name))
  const event = newEvent()
  await eventually(() => put({ value: event, partition }))
  await profileOf(profile, event.subject)
  await eventually(() => expect(said([profile], created, { partition })).toBeGreaterThan(1)) // the user service has found it, too
  await expectOneEffectEach(client, await load.stop())
})
