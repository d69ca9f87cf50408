import { randomBytes, randomUUID } from 'node:crypto'
import { Producer } from 'shared-kafka'
import { deadLetterTopic, userRegister, userRegisterExample, type Event, type UserRegister } from 'shared-topics'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { newDatabase } from './fixtures/new-database.js'
import { read } from './fixtures/records.js'
import { eventually, isReady, metricsOf, newUser, profileOf, register, startService, type Service } from './fixtures/services.js'

const dlq = deadLetterTopic(userRegister.name)
const kafka = { KAFKA_BROKERS: inject('kafkaBrokers') }
let user: Service
let profile: Service
let producer: Producer
const databases: Array<Awaited<ReturnType<typeof newDatabase>>> = []

beforeAll(async () => {
  databases.push(await newDatabase(), await newDatabase())
  const [users, profiles] = databases.map(({ url }) => url) as [string, string]
  ;[user, profile] = await Promise.all([startService('user', { ...kafka, DATABASE_URL: users }), startService('profile', { ...kafka, DATABASE_URL: profiles })])
  producer = new Producer({ bootstrapBrokers: [inject('kafkaBrokers')], 'message.max.bytes': 1024 * 1024 })
  await eventually(() => Promise.all([isReady(user), isReady(profile)]))
})

afterAll(async () => {
  for (const service of [user, profile]) service?.kill('SIGTERM')
  expect(await Promise.all([user.ended, profile.ended])).toEqual([0, 0])
  await producer.close()
  for (const database of databases) await database.close()
})

function newEvent (changes: Partial<Event<UserRegister>> = {}): Event<UserRegister> & { subject: string } {
  const id = randomUUID()
  return { ...userRegisterExample, id: randomUUID(), subject: id, data: { id, ...newUser() }, ...changes }
}

async function put (value: unknown, key: string | Buffer | null = randomUUID()) {
  const [delivery] = await producer.send({ messages: [{ topic: userRegister.name, key, value }] })
  return delivery as { partition: number, offset: number }
}

const headersOf = (record: { headers?: unknown }) =>
  Object.fromEntries((record.headers as Array<Record<string, Buffer>>).flatMap(header => Object.entries(header)).map(([name, value]) => [name, value.toString()]))

/** The dead letter that came from there. */
async function deadLetterOf ({ partition, offset }: { partition: number, offset: number }) {
  const from = Array.from({ length: userRegister.partitions }, (_, partition) => ({ partition }))
  return await eventually(async () => {
    for (let count = 1; ; count++) {
      const letters = await read(dlq, count, { from, deadlineMs: 3000 })
      const found = letters.find(letter => {
        const headers = headersOf(letter)
        return headers['dlq.partition'] === String(partition) && headers['dlq.offset'] === String(offset)
      })
      if (found) return found
    }
  })
}

test('a registration becomes a profile well under a second later', async () => {
  const tookMs: number[] = []
  for (let count = 0; count < 5; count++) {
    const { body } = await register(user)
    const start = performance.now()
    await profileOf(profile, body.user.id)
    tookMs.push(performance.now() - start)
  }
  // The median: a single one may wait for a core on a busy machine.
  expect(tookMs.sort((a, b) => a - b)[2]).toBeLessThan(1000)
})

test('a registration is answered with the user, and the profile and the user are as they were typed', async () => {
  const wanted = newUser()
  const { status, location, body } = await register(user, wanted)
  expect({ status, location, body }).toEqual({
    status: 201,
    location: `/user/${body.user.id}`,
    body: { message: 'User successfully created!', user: { id: expect.stringMatching(/^[0-9a-f-]{36}$/), ...wanted, createdAt: expect.stringMatching(/Z$/) } }
  })
  expect(await profileOf(profile, body.user.id)).toMatchObject({ userId: body.user.id, ...wanted })
  expect(await (await fetch(`${user.url}/user/${body.user.id}`)).json()).toMatchObject({ id: body.user.id, ...wanted })
})

test('the logs of both services show the way of an event, and neither email nor username', async () => {
  const wanted = newUser()
  const { body } = await register(user, wanted)
  await profileOf(profile, body.user.id)
  const created = await eventually(() => {
    const line = profile.lines.find(({ userId, msg }) => userId === body.user.id && msg === 'profile created')
    expect(line).toMatchObject({ topic: 'user_register', partition: expect.any(Number), offset: expect.any(Number), eventId: expect.any(String) })
    return line
  })
  await eventually(() => {
    expect(user.lines).toContainEqual(expect.objectContaining({ msg: 'user registered', eventId: created?.eventId, userId: body.user.id }))
    expect(user.lines).toContainEqual(expect.objectContaining({ msg: 'event sent', eventId: created?.eventId, topic: 'user_register' }))
  })
  const log = JSON.stringify([user.lines, profile.lines])
  expect(log).not.toContain(wanted.email)
  expect(log).not.toContain(wanted.username)
})

test('the topic holds one CloudEvent for each user, keyed by the user\'s id', async () => {
  const wanted = newUser()
  const { body } = await register(user, wanted)
  await profileOf(profile, body.user.id)
  const line = await eventually(() => {
    const line = profile.lines.find(({ userId }) => userId === body.user.id)
    expect(line).toBeDefined()
    return line as { partition: number, offset: number, eventId: string }
  })
  const [record] = await read(userRegister.name, 1, { from: [line] })
  expect(String(record?.key)).toBe(body.user.id)
  expect(headersOf(record ?? {})).toEqual({ 'content-type': 'application/cloudevents+json' })
  expect(JSON.parse(String(record?.value))).toEqual({
    specversion: '1.0',
    id: line.eventId,
    source: '/user-service',
    type: 'user_register',
    subject: body.user.id,
    time: expect.any(String),
    datacontenttype: 'application/json',
    dataschema: 'urn:user_register:1',
    traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/),
    data: { id: body.user.id, ...wanted }
  })
})

test('a CloudEvent put on the topic by hand becomes a profile too, with any key or none', async () => {
  for (const key of [undefined, null, 'other'] as const) {
    const event = newEvent()
    await put(event, key === undefined ? event.subject : key)
    expect(await profileOf(profile, event.data.id)).toMatchObject({ userId: event.data.id, email: event.data.email })
  }
})

test('unknown members and minor versions are ignored, an absent dataschema means 1', async () => {
  const { dataschema: _absent, ...older } = newEvent()
  const newer = newEvent({ dataschema: 'urn:user_register:1.7' })
  await put({ ...older, more: 1 })
  await put({ ...newer, data: { ...newer.data, more: { deep: [] } } })
  for (const { data } of [older, newer]) await profileOf(profile, data.id)
})

const text = (event: object) => JSON.stringify(event)
const bad: Array<[what: string, value: Buffer | string | null, reason: string, key?: Buffer]> = [
  ['a line of rubbish', 'rubbish', 'not-decodable'],
  ['a null value', null, 'not-decodable'],
  ['an empty value', '', 'not-decodable'],
  ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), 'not-decodable'],
  ['a key that is not UTF-8', text(newEvent()), 'not-decodable', Buffer.from([0xff, 0, 0xfe])],
  ['JSON but no CloudEvent', '{"email":"a@b.c"}', 'not-valid'],
  ['JSON but no object', '[1,2]', 'not-valid'],
  ['another type', text(newEvent({ type: 'user_gone' })), 'not-valid'],
  ['an unknown major version', text(newEvent({ dataschema: 'urn:user_register:2' })), 'not-valid'],
  ['a missing member', text(newEvent({ data: { id: randomUUID() } as UserRegister })), 'not-valid'],
  ['an id that is too long', text(newEvent({ id: 'x'.repeat(201) })), 'not-valid'],
  ['what PostgreSQL cannot store', text(newEvent({ data: { id: randomUUID(), email: 'a\0@b.c', username: 'nul' } })), 'refused'],
  ['900 KiB', 'x'.repeat(900 * 1024), 'not-decodable'],
  // Of random bytes: no compression makes room for the headers.
  ['the largest record that the broker takes', randomBytes(1024 * 1024 - 200), 'not-decodable']
]

test.each(bad)('a dead letter for %s, with its bytes and the reason, and the next user still gets a profile', async (_what, value, reason, key) => {
  const origin = await put(value, key ?? 'some-key')
  const after = await register(user)
  await profileOf(profile, after.body.user.id)
  const letter = await deadLetterOf(origin)
  const expected = value === null ? null : Buffer.from(value)
  expect(letter.value === null ? expected === null : expected?.equals(letter.value)).toBe(true)
  expect(letter.key).toEqual(key ?? Buffer.from('some-key'))
  expect(headersOf(letter)).toMatchObject({
    'dlq.reason': reason, 'dlq.error': expect.any(String), 'dlq.attempts': reason === 'refused' ? '1' : '0', 'dlq.group': 'profile-service', 'dlq.topic': 'user_register', 'dlq.timestamp': expect.stringMatching(/^\d+$/)
  })
})

test('an event that comes twice has its effect once, whatever it says the second time', async () => {
  const event = newEvent()
  await put(event, event.subject)
  await profileOf(profile, event.data.id)
  await put({ ...event, data: { ...event.data, id: randomUUID() } }, event.subject)
  await eventually(() => expect(profile.lines).toContainEqual(expect.objectContaining({ eventId: event.id, msg: 'event seen before, nothing to do' })))
})

test('a second event for a user who has a profile: the first is kept, with one info line', async () => {
  const first = newEvent()
  const second = newEvent({ subject: first.subject, data: { id: first.data.id, ...newUser() } })
  await put(first, first.subject)
  await put(second, first.subject)
  await eventually(() => expect(profile.lines).toContainEqual(expect.objectContaining({ eventId: second.id, level: 30, msg: expect.stringContaining('first one is kept') })))
  expect(await profileOf(profile, first.data.id)).toMatchObject({ email: first.data.email, username: first.data.username })
})

test('the same email at the same moment: one 201, one 409', async () => {
  const wanted = newUser()
  const answers = await Promise.all([register(user, wanted), register(user, { ...newUser(), email: wanted.email.toUpperCase() })])
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 409])
})

test('/docs of both services describes their routes', async () => {
  for (const [service, path] of [[user, '/user/register'], [profile, '/profile/{userId}']] as const) {
    expect((await fetch(`${service.url}/docs`)).status).toBe(200)
    expect(await (await fetch(`${service.url}/docs/json`)).json()).toMatchObject({ paths: { [path]: expect.any(Object) } })
  }
})

test('/metrics of both services say what became of a registration, a duplicate, a redelivery and a bad event', async () => {
  const [usersBefore, profilesBefore] = await Promise.all([metricsOf(user), metricsOf(profile)])
  const wanted = newUser()
  const { body } = await register(user, wanted)
  await profileOf(profile, body.user.id)
  expect((await register(user, wanted)).status).toBe(409)
  const event = newEvent()
  await put(event, event.subject)
  await put(event, event.subject)
  await put('rubbish')

  // At least: what was put on the topic before may be counted only now.
  const missing = (before: Record<string, number>, after: Record<string, number>, wanted: Record<string, number>) =>
    Object.keys(wanted).filter(name => !((after[name] ?? NaN) - (before[name] ?? 0) >= (wanted[name] ?? NaN)))
  const route = 'http_request_method="POST",http_route="/user/register"'
  const push = 'messaging_operation_name="send",messaging_destination_name="user_register",error_type=""'
  await eventually(async () => {
    const after = await metricsOf(user)
    expect(missing(usersBefore, after, {
      [`http_server_request_duration_seconds_count{${route},http_response_status_code="201"}`]: 1,
      [`http_server_request_duration_seconds_count{${route},http_response_status_code="409"}`]: 1,
      [`messaging_client_sent_messages_total{${push}}`]: 1,
      [`messaging_client_operation_duration_seconds_count{${push}}`]: 1
    })).toEqual([])
    expect(after).toMatchObject({
      'outbox_events{state="waiting"}': 0, 'outbox_events{state="parked"}': 0, outbox_oldest_event_age_seconds: 0, kafka_producer_queue_messages: 0, nodejs_eventloop_lag_p99_seconds: expect.any(Number)
    })
    expect(after['kafka_brokers_connected{client="producer"}']).toBeGreaterThan(0)
  })

  const group = 'messaging_consumer_group_name="profile-service"'
  const path = `messaging_destination_name="user_register",${group}`
  await eventually(async () => {
    const after = await metricsOf(profile)
    expect(missing(profilesBefore, after, {
      [`messaging_client_consumed_messages_total{${path}}`]: 4,
      [`messages_handled_total{${path},outcome="created"}`]: 2,
      [`messages_handled_total{${path},outcome="seen"}`]: 1,
      [`messages_handled_total{${path},outcome="kept"}`]: 0,
      [`messages_handled_total{${path},outcome="released"}`]: 0,
      [`messages_handled_total{${path},outcome="dead-lettered"}`]: 1,
      [`dead_letters_total{${path},error_type="not-decodable"}`]: 1,
      [`messaging_process_duration_seconds_count{${path},error_type=""}`]: 3,
      [`messaging_process_duration_seconds_count{${path},error_type="not-decodable"}`]: 1,
      [`event_effect_delay_seconds_count{${path}}`]: 2
    })).toEqual([])
    expect(after).toMatchObject({
      [`messages_in_flight{${path}}`]: 0, [`kafka_consumer_assigned_partitions{${group}}`]: userRegister.partitions, 'kafka_brokers_connected{client="consumer"}': expect.any(Number)
    })
    expect(after[`kafka_consumer_rebalances_total{${group}}`]).toBeGreaterThan(0)
    const lags = Array.from({ length: userRegister.partitions }, (_, partition) =>
      after[`kafka_consumer_group_lag{messaging_destination_name="user_register",messaging_destination_partition_id="${partition}",${group}}`])
    expect(lags).toEqual(lags.map(() => 0))
  })
})
