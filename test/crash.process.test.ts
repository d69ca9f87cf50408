import { randomUUID } from 'node:crypto'
import { deadLetterDeclaration } from '@pair/service'
import { deadLetterTopic } from '@pair/events'
import { userRegister } from '@pair/shared-topics'
import { expect, onTestFinished, test } from 'vitest'
import { startKafkaProxy } from './fixtures/kafka-proxy.js'
import { commitAsGroup, configure } from './fixtures/admin.js'
import { freePort } from '@pair/dev'
import { newName } from './fixtures/records.js'
import { eventually, isConsuming, profileOf, registered } from './fixtures/services.js'
import {
  brokers, connect, expectCommitted, expectOneEffectEach, expectSettled, hold, isEmbedded, keepRegistering, kill, newEvent, onBroker, prefix, put, said, start, startPair, startProfile, useBroker, watchLetters
} from './fixtures/harness.js'

// Both services at the moments when a crash, or a message, could cost something.

const seen = 'event seen before, nothing to do'
const waits = 'what the handler depends on: away, trying again'
const partition = 0

useBroker()

test('a profile service that is killed (-9) between a profile and its commit gets the event again, and does nothing', async () => {
  const { profile, url, client } = await startProfile()
  const [before] = await put({ value: newEvent(), partition })
  await expectCommitted(partition, Number(before?.offset) + 1)
  const [stuck, stored] = [newEvent(), newEvent()]
  const release = await hold(url, stuck)
  const [first, last] = await put({ value: stuck, partition }, { value: stored, partition })
  await profileOf(profile, stored.subject)
  // The commit cannot pass the first event, so the second one is not committed either, while that of another partition is.
  const [other] = await put({ value: newEvent(), partition: 1 })
  await expectCommitted(1, Number(other?.offset) + 1)
  await expectCommitted(partition, Number(first?.offset))
  await kill(profile)
  await release()
  const again = await start('profile', url)
  await profileOf(again, stuck.subject)
  await eventually(() => expect(said([again], seen, { eventId: stored.id })).toBe(1))
  await expectOneEffectEach(client, [stuck.subject, stored.subject])
  await expectCommitted(partition, Number(last?.offset) + 1)
})

test('a user service that is killed (-9) between the commit of a registration and its push sends the event after its start', async () => {
  const { users, user: other, profile, client } = await startPair()
  await kill(other)
  const user = await start('user', users.url, `127.0.0.1:${await freePort()}`) // where no broker is: nothing can be pushed
  const { body } = await registered(user)
  await kill(user)
  expect((await users.client.query('select aggregateid from outbox')).rows).toEqual([{ aggregateid: body.user.id }])
  await start('user', users.url)
  await profileOf(profile, body.user.id)
  await expectOneEffectEach(client, [body.user.id])
  await expectSettled(users.client)
})

test('a user service that is killed (-9) after a push and before its row is removed sends again, and nothing happens twice', async () => {
  const { user, users, profile, client } = await startPair()
  await users.client.query(`create function refuse() returns trigger language plpgsql as $$ begin raise 'not now'; end $$;
    create trigger refuse before delete on outbox execute function refuse()`)
  const { body } = await registered(user)
  await profileOf(profile, body.user.id)
  await kill(user)
  const { rows } = await users.client.query('select id from outbox')
  expect(rows.length).toBe(1)
  await users.client.query('drop trigger refuse on outbox')
  await start('user', users.url)
  await eventually(async () => expect((await users.client.query('select 1 from outbox')).rowCount).toBe(0))
  await eventually(() => expect(said([profile], seen, { eventId: rows[0].id })).toBe(1))
  await expectOneEffectEach(client, [body.user.id])
})

test('everything is killed (-9) at once under load and started again: whoever was told to be registered has a profile, made once', async () => {
  const { user, users, profile, url, client } = await startPair()
  const load = keepRegistering(user)
  await eventually(() => expect(load.ids.length).toBeGreaterThan(200))
  // All handlers are in the middle of a message, and what is read and committed meanwhile is none of theirs.
  const blocker = await connect(url)
  await blocker.query('begin; lock table profiles')
  await eventually(() => expect(said([profile], waits)).toBeGreaterThan(0))
  await eventually(() => expect(load.ids.length).toBeGreaterThan(400))
  await Promise.all([user, profile].map(kill))
  await load.stop()
  await blocker.query('rollback')
  await Promise.all([start('user', users.url), start('profile', url)])
  await expectOneEffectEach(client, load.ids)
  await eventually(async () => expect((await users.client.query('select 1 from outbox')).rowCount).toBe(0))
})

test('10,000 users who register while the profile service is down have profiles after its start', async () => {
  const { user, profile, url, client } = await startPair()
  profile.kill('SIGTERM')
  expect(await profile.ended).toBe(0)
  const lanes = Array.from({ length: 20 }, async () => {
    const ids: string[] = []
    while (ids.length < 500) ids.push((await registered(user)).body.user.id)
    return ids
  })
  const ids = (await Promise.all(lanes)).flat()
  await start('profile', url)
  await expectOneEffectEach(client, ids)
})

test('poison first, in the middle and last is dead-lettered, the events between become profiles, and all of it is committed', async () => {
  const { client } = await startProfile()
  const lettersSince = await watchLetters()
  const [one, two] = [newEvent(), newEvent()]
  const poison = () => ({ value: `rubbish ${randomUUID()}`, partition })
  const places = await put(poison(), { value: one, partition }, poison(), { value: two, partition }, poison())
  await expectOneEffectEach(client, [one.subject, two.subject])
  await expectCommitted(partition, Number(places.at(-1)?.offset) + 1)
  expect(await lettersSince()).toEqual(new Map([0, 2, 4].map(index => [`${partition}@${places[index]?.offset}`, 1])))
})

test('while one handler is stuck other keys go on, nothing is committed past it, and /health/consuming names it after 60 s', async () => {
  const { profile, url, client } = await startProfile()
  const stuck = newEvent()
  const others = Array.from({ length: 20 }, () => newEvent())
  const [before] = await put({ value: newEvent(), partition })
  await expectCommitted(partition, Number(before?.offset) + 1)
  const release = await hold(url, stuck)
  const [first] = await put({ value: stuck, partition }, ...others.map(value => ({ value, partition })))
  for (const { subject } of others) await profileOf(profile, subject)
  await expectCommitted(partition, Number(first?.offset))
  await eventually(async () => {
    const answer = await fetch(`${profile.url}/health/consuming`)
    expect([answer.status, await answer.json()]).toMatchObject([503, { checks: { kafka: `stuck at ${onBroker(userRegister.name)}[${partition}]@${first?.offset}` } }])
  }, 240_000)
  await release()
  await expectOneEffectEach(client, [stuck, ...others].map(({ subject }) => subject))
  await expectCommitted(partition, Number(first?.offset) + 21)
  await eventually(() => isConsuming(profile))
})

test('with a committed offset that is out of range reading starts at the beginning, what was registered meanwhile has a profile, and commits go on', async () => {
  onTestFinished(async () => { await commitAsGroup(brokers, 0, prefix) }) // as the first one, it runs last
  const { user, profile, url } = await startPair()
  await profileOf(profile, (await registered(user)).body.user.id)
  profile.kill('SIGTERM')
  await profile.ended
  const partitions = await commitAsGroup(brokers, 1_000_000, prefix)
  const { body } = await registered(user)
  await profileOf(await start('profile', url), body.user.id, 240_000) // behind all that other tests have left there
  for (const { partition, offset } of await put(...partitions.map(partition => ({ value: newEvent(), partition })))) await expectCommitted(partition, offset + 1)
})

test('a batch of a codec that the client lacks stops the service from consuming, with the reason, and it goes on by itself when batches can be read', async () => {
  const kafka = await startKafkaProxy(brokers)
  const { profile } = await startProfile(kafka.address)
  kafka.changeCodec(7) // there are 0 to 4
  const event = newEvent()
  await put({ value: event, partition })
  const readiness = async () => {
    const answer = await fetch(`${profile.url}/health/consuming`)
    return [answer.status, (await answer.json() as { checks: { kafka: string } }).checks.kafka]
  }
  await eventually(async () => expect(await readiness()).toEqual([503, expect.stringMatching(/^cannot read a batch: .*codec 0x7.*: Local: Not implemented$/)]))
  kafka.changeCodec(undefined)
  await profileOf(profile, event.subject)
  await eventually(() => isConsuming(profile))
})

test('a poison message whose dead letter is refused is not committed, the events beside it go on, and it is dead-lettered once that is possible', async ({ skip }) => {
  skip(isEmbedded, 'needs a Kafka that refuses records on one topic only')
  const { config = {} } = deadLetterDeclaration(userRegister)
  const name = deadLetterTopic(onBroker(userRegister.name))
  const { profile, client } = await startProfile()
  // What others have left on the topic is dealt with before: its dead letters would be refused as well.
  for (const own of [0, 1, 2, 3]) {
    const [before] = await put({ value: newEvent(), partition: own })
    await expectCommitted(own, Number(before?.offset) + 1)
  }
  await configure(name, { 'max.message.bytes': '50' })
  onTestFinished(() => configure(name, config))
  const lettersSince = await watchLetters()
  const event = newEvent()
  const [poison] = await put({ value: `rubbish ${newName('poison')}`, partition }, { value: event, partition })
  await expectOneEffectEach(client, [event.subject])
  await eventually(() => expect(said([profile], 'the dead-letter topic: away, trying again')).toBeGreaterThan(0))
  await expectCommitted(partition, Number(poison?.offset))
  await configure(name, config)
  await expectCommitted(partition, Number(poison?.offset) + 2)
  expect(await lettersSince()).toEqual(new Map([[`${partition}@${poison?.offset}`, 1]]))
})
