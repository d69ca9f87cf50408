import { randomBytes, randomUUID } from 'node:crypto'
import type pg from 'pg'
import { Producer, type Headers } from '@pair/kafka'
import { deadLetterTopic, type Event } from '@pair/events'
import { userRegister, userRegisterExample, type UserRegister } from '@pair/shared-topics'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newDatabase } from './fixtures/new-database.js'
import { read } from './fixtures/records.js'
import { eventually, isReady, metricsOf, newUser, profileOf, register, registered, startService, type Service } from './fixtures/services.js'
import { brokers, connect, expectSettled, expectWaiting, onBroker, prefix, useBroker } from './fixtures/harness.js'

let user: Service
let profile: Service
let producer: Producer
const databases: Array<Awaited<ReturnType<typeof newDatabase>>> = []

useBroker()

beforeAll(async () => {
  const kafka = { KAFKA_BROKERS: brokers, KAFKA_PREFIX: prefix }
  databases.push(await newDatabase(), await newDatabase())
  const [users, profiles] = databases.map(({ url }) => url) as [string, string]
  ;[user, profile] = await Promise.all([startService('user', { ...kafka, DATABASE_URL: users }), startService('profile', { ...kafka, DATABASE_URL: profiles })])
  producer = new Producer({ bootstrapBrokers: [brokers], 'message.max.bytes': 1024 * 1024 })
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

async function put (value: unknown, key: string | Buffer | null = randomUUID(), headers: Headers = []) {
  const [delivery] = await producer.send({ messages: [{ topic: onBroker(userRegister.name), key, value, headers }] })
  return delivery as { partition: number, offset: number }
}

const headersOf = (record: { headers?: unknown }) =>
  Object.fromEntries((record.headers as Array<Record<string, Buffer>>).flatMap(header => Object.entries(header)).map(([name, value]) => [name, value.toString()]))

/** The dead letter that came from there. */
async function deadLetterOf ({ partition, offset }: { partition: number, offset: number }) {
  const from = Array.from({ length: userRegister.partitions }, (_, partition) => ({ partition }))
  return await eventually(async () => {
    for (let count = 1; ; count++) {
      const letters = await read(deadLetterTopic(onBroker(userRegister.name)), count, { brokers, from, deadlineMs: 3000 })
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
    const { body } = await registered(user)
    const start = performance.now()
    await profileOf(profile, body.user.id)
    tookMs.push(performance.now() - start)
  }
  // The fastest: the others may have waited for a core on a busy machine.
  expect(Math.min(...tookMs)).toBeLessThan(1000)
})

test('a registration is answered with the user, and the profile and the user are as they were typed', async () => {
  const wanted = newUser()
  const { status, location, body } = await registered(user, wanted)
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
  const { body } = await registered(user, wanted)
  await profileOf(profile, body.user.id)
  const created = await eventually(() => {
    const line = profile.lines.find(({ userId, msg }) => userId === body.user.id && msg === 'profile created')
    expect(line).toMatchObject({ topic: onBroker('user_register'), partition: expect.any(Number), offset: expect.any(Number), eventId: expect.any(String) })
    return line
  })
  await eventually(() => {
    expect(user.lines).toContainEqual(expect.objectContaining({ msg: 'user registered', eventId: created?.eventId, userId: body.user.id }))
    expect(user.lines).toContainEqual(expect.objectContaining({ msg: 'event sent', eventId: created?.eventId, topic: onBroker('user_register') }))
  })
  const log = JSON.stringify([user.lines, profile.lines])
  expect(log).not.toContain(wanted.email)
  expect(log).not.toContain(wanted.username)
})

test('the topic holds one CloudEvent for each user, keyed by the user\'s id', async () => {
  const wanted = newUser()
  const { body } = await registered(user, wanted)
  await profileOf(profile, body.user.id)
  const line = await eventually(() => {
    const line = profile.lines.find(({ userId }) => userId === body.user.id)
    expect(line).toBeDefined()
    return line as { partition: number, offset: number, eventId: string }
  })
  const [record] = await read(onBroker(userRegister.name), 1, { brokers, from: [line] })
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

test('a CloudEvent in binary mode becomes a profile too, and is known again in structured mode', async () => {
  const { data, datacontenttype, ...attributes } = newEvent()
  const headers = Object.entries(attributes).map(([name, text]) => ({ [`ce_${name}`]: text }))
  await put(data, attributes.subject, [...headers, { 'content-type': 'application/json; charset=utf-8' }])
  expect(await profileOf(profile, data.id)).toMatchObject({ userId: data.id, email: data.email })
  await put({ ...attributes, datacontenttype, data }, attributes.subject)
  await eventually(() => expect(profile.lines).toContainEqual(expect.objectContaining({ eventId: attributes.id, msg: 'event seen before, nothing to do' })))
})

test('unknown members and minor versions are ignored, an absent dataschema means 1, null means absent', async () => {
  const { dataschema: _absent, ...older } = newEvent()
  const newer = newEvent({ dataschema: 'urn:user_register:1.7' })
  await put({ ...older, more: 1 })
  await put({ ...newer, data: { ...newer.data, more: { deep: [] } } })
  const unset = newEvent()
  await put({ ...unset, subject: null, time: null, datacontenttype: null, dataschema: null, traceparent: null, more: null })
  for (const { data } of [older, newer, unset]) await profileOf(profile, data.id)
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
  const after = await registered(user)
  await profileOf(profile, after.body.user.id)
  const letter = await deadLetterOf(origin)
  const expected = value === null ? null : Buffer.from(value)
  expect(letter.value === null ? expected === null : expected?.equals(letter.value)).toBe(true)
  expect(letter.key).toEqual(key ?? Buffer.from('some-key'))
  expect(headersOf(letter)).toMatchObject({
    'dlq.reason': reason, 'dlq.error': expect.any(String), 'dlq.attempts': reason === 'refused' ? '1' : '0', 'dlq.group': onBroker('profile-service'), 'dlq.topic': onBroker('user_register'), 'dlq.timestamp': expect.stringMatching(/^\d+$/)
  })
})

test('an event that comes twice has its effect once; what says something else the second time has none, and is warned of', async () => {
  const event = newEvent()
  await put(event, event.subject)
  await profileOf(profile, event.data.id)
  await put(event, event.subject)
  await eventually(() => expect(profile.lines).toContainEqual(expect.objectContaining({ eventId: event.id, msg: 'event seen before, nothing to do' })))
  const name = `event_id_collisions_total{messaging_destination_name="${onBroker('user_register')}",messaging_consumer_group_name="${onBroker('profile-service')}"}`
  const before = (await metricsOf(profile))[name] ?? NaN
  await put({ ...event, data: { ...event.data, id: randomUUID() } }, event.subject)
  await eventually(() => expect(profile.lines).toContainEqual(expect.objectContaining({ eventId: event.id, msg: 'another event with the same source and id was processed before, this one has no effect' })))
  await eventually(async () => expect((await metricsOf(profile))[name]).toBe(before + 1))
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

test('three registrations that lose a race for an email or a username are told which is taken, and nothing of them is stored or sent', async () => {
  const [users, profiles] = await Promise.all(databases.map(async ({ url }) => await connect(url)))
  const winner = newUser()
  const losers = [{ ...newUser(), email: winner.email.toUpperCase() }, { ...newUser(), username: winner.username.toUpperCase() }, winner]
  const racer = await connect(String(databases[0]?.url))
  await racer.query('begin')
  await racer.query('insert into users (id, email, username, created_at) values ($1, $2, $3, now())', [randomUUID(), winner.email, winner.username])
  const answers = losers.map(async loser => await register(user, loser))
  await expectWaiting(users as pg.Client, 1)
  await racer.query('commit')
  const taken = (field: string) => ({ status: 409, body: { errors: [{ field, message: 'is taken' }] } })
  expect(await Promise.all(answers)).toMatchObject([taken('email'), taken('username'), taken('email')])
  await expectSettled(users as pg.Client)
  const names = losers.map(({ username }) => username)
  expect((await users?.query('select username from users where username = any($1)', [names]))?.rows).toEqual([{ username: winner.username }])
  expect((await profiles?.query('select from profiles where username = any($1)', [names]))?.rowCount).toBe(0)
})

test.each([
  [2, 'is registered', 201, 1],
  [3, 'is answered 503, and not registered', 503, 0]
])('a registration that loses %i races, each to somebody who is gone when it asks who that was, %s', async (races, _what, status, count) => {
  const users = await connect(String(databases[0]?.url))
  const name = newUser()
  // Keeps the row out, as a conflict does, and nobody has the email or the username afterwards.
  await users.query(`
    create sequence races;
    create function lose () returns trigger language plpgsql as $$
      begin return case when new.username <> '${name.username}' or nextval('races') > ${races} then new end; end $$;
    create trigger lose before insert on users for each row execute function lose()`)
  const answer = await register(user, name)
  await users.query('drop trigger lose on users; drop function lose; drop sequence races')
  expect(answer.status).toBe(status)
  expect((await users.query('select from users where username = $1', [name.username])).rowCount).toBe(count)
  await expectSettled(users)
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
  const push = `messaging_operation_name="send",messaging_destination_name="${onBroker('user_register')}",error_type=""`
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

  const group = `messaging_consumer_group_name="${onBroker('profile-service')}"`
  const path = `messaging_destination_name="${onBroker('user_register')}",${group}`
  await eventually(async () => {
    const after = await metricsOf(profile)
    expect(missing(profilesBefore, after, {
      [`messaging_client_consumed_messages_total{${path}}`]: 4,
      [`messages_handled_total{${path},outcome="processed"}`]: 2,
      [`messages_handled_total{${path},outcome="duplicate"}`]: 1,
      [`messages_handled_total{${path},outcome="ignored"}`]: 0,
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
      after[`kafka_consumer_group_lag{messaging_destination_name="${onBroker('user_register')}",messaging_destination_partition_id="${partition}",${group}}`])
    expect(lags).toEqual(lags.map(() => 0))
  })
})
