import { expect, test } from 'vitest'
import { startKafkaProxy } from './fixtures/kafka-proxy.js'
import { eventually, profileOf, register, registered } from './fixtures/services.js'
import {
  brokers, cannotPause, connect, expectCommitted, expectOneEffectEach, expectSettled, expectWaiting, hold, newEvent, pauseBroker, put, resumeBroker, said, start, startPair, startProfile, useBroker
} from './fixtures/harness.js'

// SIGTERM at the moments when something is half done. The broker is up, or paused: connected, and without an answer.

const closing = (services: Parameters<typeof said>[0]) => eventually(() => expect(said(services, 'closing')).toBe(services.length))

useBroker({ isTakenAway: true })

test.for(['up', 'away'])('SIGTERM in the middle of requests (broker %s): each is answered with 201, and has a profile in the end', async (broker, { skip }) => {
  if (broker === 'away') skip(cannotPause !== false, String(cannotPause))
  const { user, users, profile, client } = await startPair(brokers, { LOG_LEVEL: 'debug' })
  await profileOf(profile, (await registered(user)).body.user.id) // the topic is there from now on
  await eventually(async () => expect((await users.client.query('select from outbox')).rowCount).toBe(0))
  if (broker === 'away') await pauseBroker()
  const blocker = await connect(users.url)
  await blocker.query('begin; lock table users')
  let requests: Array<ReturnType<typeof register>> = []
  // Their statement is given up after 1 s: where the machine was too slow to see it wait, others are sent.
  for (let isWaiting = false; !isWaiting;) {
    await Promise.all(requests)
    const before = said([user], 'incoming request')
    requests = Array.from({ length: 5 }, () => register(user))
    await eventually(() => expect(said([user], 'incoming request')).toBeGreaterThanOrEqual(before + requests.length))
    isWaiting = await expectWaiting(users.client, 1, 1000).then(() => true, () => false) // the others are in its group, or in the next one
  }
  user.kill('SIGTERM')
  await closing([user])
  await blocker.query('rollback')
  const answers = await Promise.all(requests)
  expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201, 201])
  const ids = answers.map(({ body }) => body.user.id)
  expect(await user.ended).toBe(0)
  const { rows } = await users.client.query('select aggregateid as id from outbox')
  if (broker === 'up') expect(rows).toEqual([])
  else expect(rows.map(({ id }) => id).sort()).toEqual([...ids].sort())
  if (broker === 'away') await resumeBroker()
  await start('user', users.url)
  for (const id of ids) await profileOf(profile, id)
  await expectOneEffectEach(client, ids)
  await expectSettled(users.client)
})

test.for(['slow', 'frozen'] as const)('SIGTERM in the middle of a push (the way to the broker is %s): what is acknowledged within a second is done, the rest is sent after the next start', async how => {
  const kafka = await startKafkaProxy(brokers, 100) // of the 800 ms that the relay waits for acknowledgements, the rest is for a busy machine
  const { user: other, users, profile, client } = await startPair()
  await other.kill('SIGTERM')
  expect(await other.ended).toBe(0)
  const user = await start('user', users.url, kafka.address)
  await profileOf(profile, (await registered(user)).body.user.id) // connected from now on
  await eventually(() => expect(said([user], 'event sent')).toBe(1))
  await eventually(async () => expect((await users.client.query('select 1 from outbox')).rowCount).toBe(0))
  kafka.set(how)
  const ids = await Promise.all([1, 2, 3].map(async () => (await registered(user)).body.user.id))
  expect((await users.client.query('select 1 from outbox')).rowCount).toBe(ids.length)
  user.kill('SIGTERM')
  expect(await user.ended).toBe(0)
  expect(said([user], 'event sent')).toBe(1 + (how === 'slow' ? ids.length : 0))
  expect((await users.client.query('select 1 from outbox')).rowCount).toBe(how === 'slow' ? 0 : ids.length)
  await start('user', users.url)
  for (const id of ids) await profileOf(profile, id)
  await expectOneEffectEach(client, ids)
  await expectSettled(users.client)
})

test.for([['up', 'done'], ['up', 'held'], ['away', 'done'], ['away', 'held']] as const)('SIGTERM in the middle of a message (broker %s, its handler %s before the end): it has its effect once, and is committed only after that', async ([broker, handler], { skip }) => {
  if (broker === 'away') skip(cannotPause !== false, String(cannotPause))
  const { profile, url, client } = await startProfile()
  const [before] = await put({ value: newEvent(), partition: 0 })
  await expectCommitted(0, Number(before?.offset) + 1)
  const event = newEvent()
  const release = await hold(url, event)
  const [place] = await put({ value: event, partition: 0 })
  await expectWaiting(client, 1)
  if (broker === 'away') await pauseBroker()
  profile.kill('SIGTERM')
  if (handler === 'done') await closing([profile]).then(release)
  expect(await profile.ended).toBe(0)
  if (broker === 'away') await resumeBroker()
  const isCommitted = broker === 'up' && handler === 'done'
  if (isCommitted) await expectCommitted(0, Number(place?.offset) + 1)
  if (handler === 'held') await expectCommitted(0, Number(place?.offset))
  await release()
  const again = await start('profile', url)
  await expectOneEffectEach(client, [event.subject])
  await expectCommitted(0, Number(place?.offset) + 1)
  expect(said([profile], 'profile created', { eventId: event.id })).toBe(handler === 'done' ? 1 : 0)
  if (isCommitted) expect(said([again], 'event seen before, nothing to do', { eventId: event.id })).toBe(0)
})
