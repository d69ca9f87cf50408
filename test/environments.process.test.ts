import { randomUUID } from 'node:crypto'
import { deadLetterTopic, kafkaName } from '@pair/events'
import { userRegister } from '@pair/shared-topics'
import { expect, onTestFinished, test } from 'vitest'
import { dlq } from '../packages/dlq/test/cli.js'
import { endsOf } from './fixtures/records.js'
import { eventually, isReady, metricsOf, profileOf, registered, startService } from './fixtures/services.js'
import { brokers, kill, openDatabase, put, useBroker } from './fixtures/harness.js'

useBroker()

/** A pair of its own, and what it has on the broker. */
async function startEnvironment (prefix: string) {
  const [users, profiles] = [await openDatabase(), await openDatabase()]
  const settings = { KAFKA_BROKERS: brokers, KAFKA_PREFIX: prefix }
  const [user, profile] = await Promise.all([
    startService('user', { ...settings, DATABASE_URL: users.url }), startService('profile', { ...settings, DATABASE_URL: profiles.url })
  ])
  onTestFinished(async () => { await Promise.all([kill(user), kill(profile)]) })
  await eventually(() => Promise.all([isReady(user), isReady(profile)]))
  const topic = kafkaName(prefix, userRegister.name)
  return {
    prefix,
    topic,
    user,
    users,
    profile,
    register: async () => (await registered(user)).body.user.id,
    profiles: async () => (await profiles.client.query('select user_id from profiles order by 1')).rows.map(row => row.user_id),
    letters: async () => (await dlq(['list', '--json'], { brokers, prefix })).json
  }
}

test('two environments with a KAFKA_PREFIX of their own share a broker, and each has only its own events, dead letters and names', async () => {
  const run = randomUUID().slice(0, 8)
  const environments = await Promise.all([`${run}.test.`, `${run}-staging_`].map(startEnvironment))
  const ids = []
  for (const environment of environments) {
    ids.push([await environment.register(), await environment.register(), await environment.register()].sort())
    const { topic, prefix } = environment
    const [place] = await put({ topic, value: `rubbish of ${prefix}` })
    expect(place).toMatchObject({ topic })
  }
  for (const [index, { profile, profiles, letters, prefix, topic }] of environments.entries()) {
    for (const id of ids[index] ?? []) await profileOf(profile, id)
    await eventually(async () => expect(await letters()).toMatchObject([{ group: `${prefix}profile-service`, origin: { topic } }]))
    expect(await profiles()).toEqual(ids[index])
  }
  const [first, second] = environments
  if (!first || !second) throw new Error('two were started')

  // The event and the outbox row have the plain name, so a database may move to another environment.
  await second.users.client.query("insert into outbox (id, aggregatetype, aggregateid, type, payload) values (gen_random_uuid(), 'user', 'poison', 'user_register', 'rubbish')")
  second.user.kill('SIGTERM')
  await second.user.ended
  const again = await startService('user', { KAFKA_BROKERS: brokers, KAFKA_PREFIX: second.prefix, DATABASE_URL: second.users.url })
  onTestFinished(() => kill(again))
  await eventually(async () => expect(await second.letters()).toHaveLength(2))
  expect(await first.letters()).toHaveLength(1)

  // A replay goes to its own environment's topic: the rubbish comes back there as a new letter.
  const ends = await endsOf(second.topic, brokers)
  expect(await dlq(['replay', '--all'], { brokers, prefix: first.prefix })).toMatchObject({ code: 0, out: expect.stringContaining(`replayed to ${first.topic}[`) })
  await eventually(async () => expect(await first.letters()).toHaveLength(2))
  expect(await endsOf(second.topic, brokers)).toEqual(ends)

  const { channels } = await (await fetch(`${first.profile.url}/docs/events.json`)).json() as { channels: Record<string, { address: string }> }
  expect(Object.values(channels).map(({ address }) => address)).toEqual([first.topic, deadLetterTopic(first.topic)])
  const path = `messaging_destination_name="${first.topic}",messaging_consumer_group_name="${first.prefix}profile-service"`
  await eventually(async () => {
    const [profile, user] = [await metricsOf(first.profile), await metricsOf(first.user)]
    expect(profile).toMatchObject({ [`messages_handled_total{${path},outcome="processed"}`]: 3, [`dead_letters_total{${path},error_type="not-decodable"}`]: 2 })
    expect(user[`messaging_client_sent_messages_total{messaging_operation_name="send",messaging_destination_name="${first.topic}",error_type=""}`]).toBe(3)
    const lags = Object.entries(profile).filter(([series]) => series.startsWith('kafka_consumer_group_lag'))
    expect(lags.length).toBe(userRegister.partitions)
    for (const [series, lag] of lags) expect([series, lag]).toEqual([expect.stringContaining(`"${first.prefix}profile-service"`), 0])
  })
})
