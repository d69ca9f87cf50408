import { Registry } from 'prom-client'
import type { DeadLetter } from '../dist/messages/dead-letters.js'
import { MessageMetrics } from '../dist/messages/metrics.js'
import Fastify from 'fastify'
import { randomUUID } from 'node:crypto'
import type { OutgoingMessage } from '@pair/kafka'
import { createEvent, type Topic } from '@pair/events'
import { userRegister } from '@pair/shared-topics'
import { Type, type Static, type TSchema } from 'typebox'
import { describe, expect, test, vi } from 'vitest'
import { MessageProcessor } from '../dist/messages/processor.js'

// How a contract changes: docs/events.md. Writers and readers of each version, on the real path of a message.

const { id, email, username } = userRegister.data.properties
const v1 = userRegister
const v11 = { ...v1, minor: 1, data: Type.Object({ id, email, username, locale: Type.Optional(Type.String({ maxLength: 35 })) }) }
const v2 = { ...v1, version: 2, data: Type.Object({ id, email, name: username }) }
const v2Apart = { ...v2, name: 'user_register_v2' }

const user = { id: randomUUID(), email: 'user@example.com' }
const data1 = { ...user, username: 'imbatman' }
const data11 = { ...data1, locale: 'de-AT' }
const data2 = { ...user, name: 'imbatman' }

/** A message as a service of that version writes it. */
function written<Schema extends TSchema> (topic: Topic<Schema>, data: Static<Schema> & { id: string }) {
  const value = JSON.stringify(createEvent(topic, { source: '/user-service', id: randomUUID(), subject: data.id, time: new Date(), data }))
  return { topic: topic.name, key: Buffer.from(data.id), value: Buffer.from(value) }
}

/** A service that reads one version of a topic. What it does with each message: the data it handles, or the dead letter it sends. */
function reader<Schema extends TSchema> (topic: Topic<Schema>, handle = (_data: Static<Schema>) => {}) {
  const handled: unknown[] = []
  const letters: DeadLetter[] = []
  const path = new MessageProcessor({
    consumer: { topic, handle: async ({ data }) => { handled.push(data); handle(data) } },
    group: 'a-group',
    log: Fastify().log,
    metrics: new MessageMetrics(new Registry(), 'a-group').of(topic.name),
    sendDeadLetter: async letter => { letters.push(letter) }
  })
  const take = async (...messages: Array<Pick<OutgoingMessage, 'topic' | 'key' | 'value'>>) => {
    const commit = vi.fn()
    for (const { topic, key, value } of messages) {
      path.listener({ topic, key: key as Buffer, value: value as Buffer, partition: 0, offset: 0, headers: [], timestamp: 0, release () {} }, commit)
    }
    await vi.waitFor(() => expect(commit).toHaveBeenCalledTimes(messages.length), 60_000)
  }
  return { take, handled, reasons: () => letters.map(({ headers = [] }) => Object.assign({}, ...headers)), letters }
}

const notValid = (version: number) => ({ 'dlq.reason': 'not-valid', 'dlq.error': expect.stringContaining(`event/dataschema must match pattern "^urn:user_register:${version}(`) })

describe('1.1 adds a member that may be absent:', () => {
  test('its events say so, and a reader of 1 handles them as before', async () => {
    const message = written(v11, data11)
    expect(JSON.parse(String(message.value))).toMatchObject({ dataschema: 'urn:user_register:1.1' })
    const old = reader(v1)
    await old.take(message)
    expect(old).toMatchObject({ handled: [data1], letters: [] })
  })

  test('a reader of 1.1 handles those of 1 too, without the member', async () => {
    const current = reader(v11)
    await current.take(written(v1, data1), written(v11, data11))
    expect(current).toMatchObject({ handled: [data1, data11], letters: [] })
  })

  test('a reader of 1.1 refuses what a writer of 1 put under that name on its own account, and a reader of 1 does not', async () => {
    const message = written(v1, { ...data1, locale: 7 } as typeof data1)
    const [old, current] = [reader(v1), reader(v11)]
    await Promise.all([old.take(message), current.take(message)])
    expect(old.letters).toEqual([])
    expect(current.reasons()).toMatchObject([{ 'dlq.reason': 'not-valid', 'dlq.error': 'event/data/locale must be string' }])
  })
})

describe('2 names a member otherwise, on the same topic:', () => {
  test('a reader of 1 dead-letters its events as not valid, naming the version, and goes on', async () => {
    const old = reader(v1)
    await old.take(written(v2, data2), written(v1, data1))
    expect(old.handled).toEqual([data1])
    expect(old.reasons()).toMatchObject([notValid(1)])
  })

  test('even those that happen to have all that a reader of 1 wants', async () => {
    const old = reader(v1)
    await old.take(written({ ...v2, data: v1.data }, data1))
    expect(old.reasons()).toMatchObject([notValid(1)])
  })

  test('a reader of 2 dead-letters those of 1, and those that name no version, which means 1', async () => {
    const current = reader(v2)
    const { dataschema: _, ...unnamed } = JSON.parse(String(written(v1, data1).value))
    await current.take(written(v1, data1), { ...written(v1, data1), value: Buffer.from(JSON.stringify(unnamed)) }, written(v2, data2))
    expect(current.handled).toEqual([data2])
    expect(current.reasons()).toMatchObject([notValid(2), { 'dlq.reason': 'not-valid', 'dlq.error': expect.stringContaining('dataschema') }])
  })

  test('what came too early is handled when it is replayed to a reader of 2', async () => {
    const [old, current] = [reader(v1), reader(v2)]
    await old.take(written(v2, data2))
    await current.take(...old.letters.map(({ key, value }) => ({ topic: v2.name, key, value })) as [])
    expect(current).toMatchObject({ handled: [data2], letters: [] })
  })
})

describe('2 on a topic of its own, and both published for a while:', () => {
  const published = { old: written(v1, data1), new: written(v2Apart, data2) }

  test('readers of 1 and of 2 work side by side, and nothing is dead-lettered', async () => {
    const [old, current] = [reader(v1), reader(v2Apart)]
    await Promise.all([old.take(published.old), current.take(published.new)])
    expect(old).toMatchObject({ handled: [data1], letters: [] })
    expect(current).toMatchObject({ handled: [data2], letters: [] })
  })

  test.each(['old first', 'new first'])('a reader that moves over sees each user twice, under two event ids, and keeps the first: %s', async order => {
    const profiles = new Map<string, string>()
    const store = (userId: string, name: string) => { if (!profiles.has(userId)) profiles.set(userId, name) }
    const [old, current] = [reader(v1, data => store(data.id, data.username)), reader(v2Apart, data => store(data.id, data.name))]
    const takes = [async () => await old.take(published.old), async () => await current.take(published.new)]
    for (const take of order === 'old first' ? takes : takes.reverse()) await take()
    expect([...profiles]).toEqual([[user.id, 'imbatman']])
    expect(JSON.parse(String(published.old.value)).id).not.toBe(JSON.parse(String(published.new.value)).id)
    expect([...old.letters, ...current.letters]).toEqual([])
  })
})
