import { randomUUID } from 'node:crypto'
import { provisionTopics } from '@pair/kafka'
import { deadLetterTopic } from '@pair/events'
import { userRegister } from '@pair/shared-topics'
import { expect, test } from 'vitest'
import { newName, read } from './fixtures/records.js'
import { give, newScramUser, noSecuredKafka, take, type Right } from './fixtures/secured-kafka.js'
import { expectNoSecret } from './fixtures/secrets.js'
import { checks, eventually, isReady, metricsOf, profileOf, refusedLines, registered, within15s, type Service } from './fixtures/services.js'
import { brokers, newEvent, onBroker, openDatabase, put, said, start, useBroker } from './fixtures/harness.js'

// Rights that are missing, given and taken away, in whole services.

const secured = test.skipIf(noSecuredKafka)
const named = (name: string) => noSecuredKafka ? `${name} (${noSecuredKafka})` : name

useBroker()

/** What is lacking is told once for each topic, and missed by nobody else. */
const cannotCreate = ({ lines }: Service) => lines.filter(({ msg }) => msg === 'kafka: the topic cannot be created here, left to the broker').map(({ topic }) => topic)

/** Somebody else makes the topics: these services may not. */
async function makeTopics () {
  const topics = [userRegister.name, deadLetterTopic(userRegister.name)].map(name => ({ name: onBroker(name), partitions: 1 }))
  await provisionTopics({ bootstrapBrokers: brokers }, topics)
  return topics.map(({ name }) => name) as [string, string]
}

secured(named('a user service without the right to write is ready, says why nothing is sent, and sends what waits once it may'), async () => {
  const [topic] = await makeTopics()
  const { name, password, settings } = await newScramUser()
  const right: Right = { user: name, operation: 'write', on: 'topic', name: topic }
  const { url } = await openDatabase()
  const user = await start('user', url, brokers, settings)
  await eventually(() => isReady(user))
  await eventually(async () => expect(await checks(user)).toMatchObject({ status: 200, kafka: expect.stringMatching(/^refused: .*authorization failed/) }), within15s)
  const { body } = await registered(user)
  await give(right)
  await eventually(async () => expect((await checks(user)).kafka).toBe('up'), within15s)
  const [record] = await read(topic, 1, { brokers })
  expect(String(record?.key)).toBe(body.user.id)

  await take(right)
  await registered(user)
  await eventually(async () => expect(await checks(user)).toMatchObject({ status: 200, kafka: 'refused: Topic authorization failed' }), within15s)
  await give(right)
  await read(topic, 2, { brokers })
  await eventually(async () => expect((await checks(user)).kafka).toBe('up'), within15s)
  expect(new Set(refusedLines(user, topic))).toEqual(new Set(['ERR_TOPIC_AUTHORIZATION_FAILED']))
  await expectNoSecret(user, password)
})

secured(named('1,000 events of a topic that may not be written delay none of another topic, and are sent once they may be'), async () => {
  const [topic] = await makeTopics()
  const other = newName('forbidden')
  await provisionTopics({ bootstrapBrokers: brokers }, [{ name: onBroker(other), partitions: 1 }])
  const { name, settings } = await newScramUser()
  await give({ user: name, operation: 'write', on: 'topic', name: topic })
  const { url, client } = await openDatabase()
  const user = await start('user', url, brokers, settings)
  await eventually(() => isReady(user))
  await client.query(`insert into outbox (id, aggregatetype, aggregateid, type, payload)
    select gen_random_uuid(), 'order', n, $1, '{}' from generate_series(1, 1000) n`, [other])
  await eventually(() => expect(refusedLines(user, onBroker(other))).toContain('ERR_TOPIC_AUTHORIZATION_FAILED'))
  for (const count of [1, 2, 3]) {
    await registered(user)
    await eventually(() => expect(said([user], 'event sent')).toBe(count))
  }
  expect((await client.query('select from outbox where type = $1 and parked is null', [other])).rowCount).toBe(1000)
  await give({ user: name, operation: 'write', on: 'topic', name: onBroker(other) })
  await eventually(async () => expect((await client.query('select from outbox')).rowCount).toBe(0))
})

secured(named('a profile service that may not read says so within 15 s, keeps its lag, and goes on once it may'), async () => {
  const [topic] = await makeTopics()
  const { name, password, settings } = await newScramUser()
  const right: Right = { user: name, operation: 'read', on: 'topic', name: topic }
  // Neither a right to create topics nor one to write dead letters is missed, as long as there are none.
  await give(right, { user: name, operation: 'read', on: 'group', name: onBroker('profile-service') })
  const { url } = await openDatabase()
  const profile = await start('profile', url, brokers, settings)
  await eventually(() => isReady(profile))
  const [first, second] = [newEvent(), newEvent()]
  await put({ value: first, key: first.data.id })
  await profileOf(profile, first.data.id)
  const lag = () => metricsOf(profile).then(metrics => Object.keys(metrics).filter(series => series.startsWith('kafka_consumer_group_lag{')))
  await eventually(async () => expect(await lag()).toHaveLength(1))

  await take(right)
  await eventually(async () => expect((await checks(profile)).kafka).toBe('refused: Topic authorization failed'), within15s)
  expect(await lag()).toHaveLength(1)
  await put({ value: second, key: second.data.id })
  await give(right)
  await profileOf(profile, second.data.id)
  await eventually(async () => expect((await checks(profile)).kafka).toBe('up'), within15s)
  expect(new Set(refusedLines(profile, topic))).toEqual(new Set(['ERR_TOPIC_AUTHORIZATION_FAILED']))
  await expectNoSecret(profile, password)
})

secured(named('a profile service whose group may not be read is not consuming within 15 s, with the reason, and goes on once it may'), async () => {
  const [topic] = await makeTopics()
  const { name, password, settings } = await newScramUser()
  const group = onBroker('profile-service')
  await give({ user: name, operation: 'read', on: 'topic', name: topic })
  const { url } = await openDatabase()
  const profile = await start('profile', url, brokers, settings)
  await eventually(async () => expect(await checks(profile, 'consuming')).toMatchObject({ status: 503, kafka: 'refused: Group authorization failed' }), within15s)
  const event = newEvent()
  await put({ value: event, key: event.data.id })
  await give({ user: name, operation: 'read', on: 'group', name: group })
  await profileOf(profile, event.data.id)
  await eventually(async () => expect(await checks(profile, 'consuming')).toMatchObject({ status: 200, kafka: 'up' }), within15s)
  expect(new Set(refusedLines(profile, `the group ${group}`))).toEqual(new Set(['ERR_GROUP_AUTHORIZATION_FAILED']))
  await expectNoSecret(profile, password)
})

secured(named('a right to create topics that is missing is one line, and the topic is created once it is given'), async () => {
  const KAFKA_PREFIX = `${randomUUID()}.`
  const topic = KAFKA_PREFIX + userRegister.name
  const { name, password, settings } = await newScramUser()
  await give({ user: name, operation: 'write', on: 'topic', name: topic })
  const { url } = await openDatabase()
  const user = await start('user', url, brokers, { ...settings, KAFKA_PREFIX })
  await eventually(() => expect(cannotCreate(user)).toEqual([topic]), within15s)
  const { body } = await registered(user)
  await give({ user: name, operation: 'create', on: 'topic', name: topic })
  const records = await read(topic, 1, { brokers, from: [0, 1, 2, 3].map(partition => ({ partition })), deadlineMs: 60_000 })
  expect(String(records[0]?.key)).toBe(body.user.id)
  expect(cannotCreate(user)).toEqual([topic])
  await expectNoSecret(user, password)
})

secured(named('a right to write dead letters counts from the first letter that is refused, and the message waits for it'), async () => {
  const [topic, letters] = await makeTopics()
  const { name, password, settings } = await newScramUser()
  await give({ user: name, operation: 'read', on: 'topic', name: topic }, { user: name, operation: 'read', on: 'group', name: onBroker('profile-service') })
  const { url } = await openDatabase()
  const profile = await start('profile', url, brokers, settings)
  await eventually(() => isReady(profile))
  await put({ value: 'no event' })
  await eventually(async () => expect((await checks(profile)).kafka).toMatch(/^dead letters refused: .*authorization failed/), within15s)
  await give({ user: name, operation: 'write', on: 'topic', name: letters })
  await read(letters, 1, { brokers })
  await eventually(async () => expect((await checks(profile)).kafka).toBe('up'), within15s)
  expect(new Set(refusedLines(profile, letters))).toEqual(new Set(['ERR_TOPIC_AUTHORIZATION_FAILED']))
  await expectNoSecret(profile, password)
})
