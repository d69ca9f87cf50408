import { EMBEDDED_BROKER_SETTINGS } from '@pair/dev'
import { createEvent, deadLetterTopic, type Event, type Topic } from '@pair/events'
import { buildService, permanent, type Db, type ServicePlugin } from '@pair/service'
import { userRegister, type UserRegister } from '@pair/shared-topics'
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { readSettings } from '../packages/service/dist/settings/settings.js'
import { brokers, isEmbedded, onBroker, openDatabase, prefix, put, useBroker } from './fixtures/harness.js'
import { read } from './fixtures/records.js'
import { eventually } from './fixtures/services.js'

// What a service declares with app.consumer and app.stream, on a broker.

useBroker()

const newTopic = () => ({ ...userRegister, name: `test_${randomUUID()}` }) as unknown as Topic<typeof userRegister.data>
const newEvents = (topic: Topic, count: number) => Array.from({ length: count }, () => {
  const id = randomUUID()
  return createEvent(topic as Topic<typeof userRegister.data>, { source: '/test', id: randomUUID(), subject: id, time: new Date(), data: { id, email: 'user@example.com', username: 'imbatman' } })
})
const send = async (topic: Topic, events: Event[]) => await put(...events.map(value => ({ topic: onBroker(topic.name), key: value.subject ?? null, value })))

/** A service in this process, with a name of its own; ends with the test. */
async function serve (plugin: ServicePlugin, { hasDatabase = true, name = `test-${randomUUID()}` } = {}) {
  const database = hasDatabase ? await openDatabase() : undefined
  await database?.client.query('create table effects (event text)')
  const settings = readSettings({ PORT: 3000, hasDatabase }, {
    LOG_LEVEL: 'silent', KAFKA_BROKERS: brokers, KAFKA_PREFIX: prefix, ...database && { DATABASE_URL: database.url }, ...isEmbedded && EMBEDDED_BROKER_SETTINGS
  } as NodeJS.ProcessEnv)
  const app = await buildService({ name, folder: '/nowhere', port: 3000, hasDatabase }, plugin, settings, error => { throw error })
  let isClosed = false
  const close = async () => {
    if (!isClosed) await app.close()
    isClosed = true
  }
  onTestFinished(close)
  await app.ready()
  return { app, name, database, close }
}

const idsOf = (events: Event[]) => events.map(({ id }) => id).sort()

test.each(['with a database', 'without one'])('two consumers of a service, in two files, on two topics: both get everything; %s', async where => {
  const [one, two] = [newTopic(), newTopic()]
  const got = new Map<string, string[]>([[one.name, []], [two.name, []]])
  const connections: unknown[] = []
  const file = (topic: Topic<typeof userRegister.data>): ServicePlugin => async app => {
    app.consumer({ topic, handle: ({ id }, { db }) => { got.get(topic.name)?.push(id); connections.push(db) } })
  }
  const events = [newEvents(one, 30), newEvents(two, 30)] as const
  await Promise.all([send(one, events[0]), send(two, events[1])])
  await serve(async app => {
    await app.register(async app => await file(one)(app as never))
    await app.register(async app => await file(two)(app as never))
  }, { hasDatabase: where === 'with a database' })
  await eventually(() => expect([...got.values()].map(ids => ids.sort())).toEqual(events.map(idsOf)))
  expect(connections.every(db => (db !== undefined) === (where === 'with a database'))).toBe(true)
})

test('two consumers of one topic in a service end its start with one line that names the topic', async () => {
  const topic = newTopic()
  const plugin: ServicePlugin = async app => { for (let count = 0; count < 2; count++) app.consumer({ topic, handle () {} }) }
  await expect(serve(plugin, { hasDatabase: false })).rejects.toThrow(`two consumers of the topic ${topic.name}`)
})

test('two services on one topic both get everything, and their dead letters are told apart by their group', async () => {
  const topic = newTopic()
  const events = newEvents(topic, 10)
  await send(topic, events)
  const handled = { one: [] as string[], other: [] as string[] }
  const of = (who: 'one' | 'other', bad: Event | undefined): ServicePlugin => async app => app.consumer({
    topic,
    handle ({ id }) {
      if (id === bad?.id) throw permanent(new Error('no'))
      handled[who].push(id)
    }
  })
  const services = await Promise.all([serve(of('one', events[0])), serve(of('other', events[1]))])
  const without = (left: Event | undefined) => idsOf(events.filter(event => event !== left))
  await eventually(() => expect([handled.one.sort(), handled.other.sort()]).toEqual([without(events[0]), without(events[1])]))
  const letters = await read(deadLetterTopic(onBroker(topic.name)), 2, { brokers, from: [0, 1, 2, 3].map(partition => ({ partition })), deadlineMs: 120_000 })
  const found = letters.map(({ value, headers }) => [JSON.parse(String(value)).id, String(Object.assign({}, ...headers as object[])['dlq.group'])])
  expect(new Map(found as Array<[string, string]>)).toEqual(new Map(services.map(({ name }, index) => [events[index]?.id, onBroker(name)])))
})

test('a stream hands out each event, and a loop that is left gives its last event to the next service', async () => {
  const topic = newTopic()
  const events = newEvents(topic, 6).map(event => ({ ...event, subject: 'one key', data: { ...event.data } }))
  await send(topic, events)
  let stream: AsyncIterableIterator<Event<UserRegister>, undefined> | undefined
  const plugin: ServicePlugin = async app => { stream = app.stream(topic) }
  const first = await serve(plugin, { hasDatabase: false })
  const got: string[] = []
  for await (const { id } of stream ?? []) if (got.push(id) === 3) break
  expect(got).toEqual(events.slice(0, 3).map(({ id }) => id))
  await first.close()

  await serve(plugin, { hasDatabase: false, name: first.name })
  const rest: string[] = []
  for await (const { id } of stream ?? []) if (rest.push(id) === 4) break
  expect(rest).toEqual(events.slice(2).map(({ id }) => id))
})

test('a loop over a stream ends with its service, after what it has in hand', async () => {
  const topic = newTopic()
  await send(topic, newEvents(topic, 1))
  let stream: AsyncIterableIterator<Event<UserRegister>, undefined> | undefined
  const { close } = await serve(async app => { stream = app.stream(topic) }, { hasDatabase: false })
  const got: string[] = []
  const loop = (async () => { for await (const { id } of stream ?? []) got.push(id) })()
  await eventually(() => expect(got).toHaveLength(1))
  await close()
  await loop
})

test('what a handler adds to the outbox while its service ends is sent before that has ended', async () => {
  const [received, sent] = [newTopic(), newTopic()]
  const [event] = newEvents(received, 1)
  await send(received, [event as Event])
  let isHandling = false
  const { database, close } = await serve(async app => {
    const answered = app.sends(sent)
    app.consumer({
      topic: received,
      async handle ({ subject, data }, { db }) {
        isHandling = true
        await delay(500) // longer than the relay takes to end, if it does not wait
        await app.outbox.add(db as Db, answered({ subject: String(subject), data }))
      }
    })
  })
  await eventually(() => expect(isHandling).toBe(true))
  await close()
  expect((await database?.client.query('select from outbox'))?.rowCount).toBe(0)
  expect(JSON.parse(String((await read(onBroker(sent.name), 1, { brokers, from: [0, 1, 2, 3].map(partition => ({ partition })) }))[0]?.value)).data).toEqual(event?.data)
})
