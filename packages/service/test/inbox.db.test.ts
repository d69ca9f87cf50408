import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createEvent, knownForMs, type Event } from '@pair/events'
import { permanent, type Db, type HandlerOutcome } from '@pair/service'
import { userRegister, type UserRegister } from '@pair/shared-topics'
import { newDatabase } from '../../../test/fixtures/new-database.js'
import { connectionOf } from '../dist/database/connection.js'
import { ServicePool } from '../dist/database/pool.js'
import { inboxCleanup, removeOldEntries } from '../dist/inbox/cleanup.js'
import { Inbox } from '../dist/inbox/inbox.js'
import { Handler } from '../dist/messages/handler.js'

type UserEvent = Event<UserRegister>

let database: Awaited<ReturnType<typeof newDatabase>>
let pool: ServicePool
let inbox: Inbox

beforeAll(async () => {
  database = await newDatabase()
  pool = new ServicePool(connectionOf(database.url), 14)
  inbox = new Inbox(pool)
  // As the services of 1.0 have it.
  await pool.query(`create table inbox (source text, id text, seen_at timestamptz not null default now(), fingerprint text, primary key (source, id));
    create table effects (event text)`)
})
afterAll(async () => {
  await pool.end()
  await database.close()
})

function newEvent (data: Partial<UserRegister> = {}): UserEvent {
  const user = { id: randomUUID(), email: 'user@example.com', username: 'imbatman', ...data }
  return createEvent(userRegister, { source: '/user-service', id: randomUUID(), subject: user.id, time: new Date(), data: user })
}
const effects = async ({ id }: UserEvent) => (await pool.query('select from effects where event = $1', [id])).rowCount
const entries = async ({ id }: UserEvent) => (await pool.query('select from inbox where id = $1', [id])).rowCount
const store = async (db: Db, ...events: UserEvent[]) => { for (const { id } of events) await db.query('insert into effects values ($1)', [id]) }

const log = Fastify().log
const surroundings = () => ({ inbox, log, signal: new AbortController().signal })
type Act = (event: UserEvent, db: Db) => Promise<HandlerOutcome | void> | HandlerOutcome | void
/** A consumer of either form, whose handler stores an effect of each event and then does that. */
const forms = {
  handle: (act: Act = () => {}) => new Handler({ topic: userRegister, handle: async (event, { db }) => { await store(db, event); return await act(event, db) } }, surroundings()),
  handleBatch: (act: Act = () => {}) => new Handler({
    topic: userRegister,
    handleBatch: async (events, { db }) => {
      await store(db, ...events)
      const outcomes: HandlerOutcome[] = []
      for (const event of events) outcomes.push(await act(event, db) ?? 'processed')
      return outcomes
    }
  }, surroundings())
}
const attempt = async (handler: Handler<typeof userRegister.data>, event: UserEvent) => await handler.attempt({ event, log, origin: { topic: userRegister.name, partition: 0, offset: 0, timestamp: -1, key: null } })

describe.each(Object.entries(forms))('with %s, an event', (_form, handlerOf) => {
  test('has its entry and its effect in one transaction', async () => {
    const event = newEvent()
    let seenFromOutside: number | null = NaN
    const handler = handlerOf(async () => { seenFromOutside = await entries(event) })
    expect(await attempt(handler, event)).toEqual({ outcome: 'processed' })
    expect([seenFromOutside, await entries(event), await effects(event)]).toEqual([0, 1, 1])
  })

  test.each([
    ['its handler throws', async () => { throw new Error('a mistake') }, 'a mistake'],
    ['a statement fails', async (_event: UserEvent, db: Db) => { await db.query('select 1 / 0') }, 'division by zero'],
    ['a statement fails that the handler does not care about', async (_event: UserEvent, db: Db) => { await db.query('select 1 / 0').catch(() => {}) }, 'division by zero']
  ])('leaves neither entry nor effect where %s, and the connection is given back', async (_what, act, said) => {
    const event = newEvent()
    await expect(attempt(handlerOf(act), event)).rejects.toThrow(said)
    expect([await entries(event), await effects(event)]).toEqual([0, 0])
    expect(pool.idleCount).toBe(pool.totalCount)
    expect(await attempt(handlerOf(), event)).toEqual({ outcome: 'processed' })
  })

  test('that is ignored has its entry', async () => {
    const event = newEvent()
    expect(await attempt(handlerOf(() => 'ignored'), event)).toEqual({ outcome: 'ignored' })
    expect(await attempt(handlerOf(), event)).toMatchObject({ outcome: 'duplicate' })
  })

  test('has its effect once, though it comes twenty times at the same moment', async () => {
    const event = newEvent()
    const handler = handlerOf()
    // On a busy machine the pool may not have so many connections in time, and the processor would try again, too.
    const outcomes = await Promise.all(Array.from({ length: 20 }, async () => await vi.waitFor(async () => await attempt(handler, event), 120_000)))
    expect(outcomes.filter(({ outcome }) => outcome === 'processed')).toHaveLength(1)
    expect(outcomes.filter(({ outcome }) => outcome === 'duplicate')).toHaveLength(19)
    expect(await effects(event)).toBe(1)
  })

  test('whose entry another transaction holds waits for it: a duplicate when that is committed, else it is processed', async () => {
    for (const end of ['commit', 'rollback']) {
      const event = newEvent()
      const other = await pool.connect()
      await other.query('begin')
      await other.query('insert into inbox (source, id) values ($1, $2)', [event.source, event.id])
      const attempted = attempt(handlerOf(), event)
      await vi.waitFor(async () => {
        const { rowCount } = await pool.query('select from pg_stat_activity where datname = current_database() and wait_event_type = \'Lock\'')
        expect(rowCount).toBe(1)
      }, 60_000)
      await other.query(end)
      other.release()
      expect(await attempted).toMatchObject({ outcome: end === 'commit' ? 'duplicate' : 'processed' })
    }
  })

  test('is told from another one with its source and id, at the same time or later, and not from itself, written otherwise', async () => {
    const event = newEvent()
    const other = { ...event, data: { ...event.data, username: 'robin' } }
    const handler = handlerOf()
    expect(await attempt(handler, event)).toEqual({ outcome: 'processed' })
    const { id, email, username } = event.data
    const same = { data: { username, email, id }, traceparent: 'x', id: event.id, source: event.source, type: event.type, specversion: '1.0' as const }
    expect(await Promise.all([same, other, event].map(event => attempt(handler, event)))).toEqual([false, true, false].map(isOther => ({ outcome: 'duplicate', isOther })))
    expect(await effects(event)).toBe(1)
  })

  test.each([null, 'aB3dEf9hIj+l'])('whose entry an older service has written, with the fingerprint %s, is a duplicate and no other one', async fingerprint => {
    const event = newEvent()
    await pool.query('insert into inbox (source, id, fingerprint) values ($1, $2, $3)', [event.source, event.id, fingerprint])
    expect(await attempt(handlerOf(), event)).toEqual({ outcome: 'duplicate', isOther: false })
  })

  test('with the id of an event from another source is another event', async () => {
    const event = newEvent()
    await attempt(handlerOf(), event)
    expect(await attempt(handlerOf(), { ...event, source: '/elsewhere' })).toEqual({ outcome: 'processed' })
  })

  test('nested as deep as a message can be is processed', async () => {
    const event = newEvent()
    Object.assign(event.data, { deep: JSON.parse('['.repeat(30_000) + ']'.repeat(30_000)) })
    expect(await attempt(handlerOf(), event)).toEqual({ outcome: 'processed' })
  })
})

test('events that come together are one transaction, and of two that are the same the first has the effect', async () => {
  const transactions = vi.spyOn(pool, 'transaction')
  onTestFinished(() => transactions.mockRestore())
  const events = Array.from({ length: 40 }, () => newEvent())
  const other = { ...events[3], data: { ...events[3]?.data, username: 'robin' } } as UserEvent
  const handler = forms.handleBatch()
  const outcomes = await Promise.all([...events, events[3] as UserEvent, other].map(event => attempt(handler, event)))
  expect(outcomes).toEqual([...events.map(() => ({ outcome: 'processed' })), { outcome: 'duplicate', isOther: false }, { outcome: 'duplicate', isOther: true }])
  expect(transactions).toHaveBeenCalledTimes(1)
  for (const event of events) expect(await effects(event)).toBe(1)
})

test.each([
  ['its handler refuses', async ({ data }: UserEvent) => { if (data.username === 'poison') throw permanent(new Error('no')) }],
  ['the database refuses', async ({ data }: UserEvent, db: Db) => { if (data.username === 'poison') await db.query('insert into effects values ($1)', ['a\0b']) }]
])('of events that come together one that %s fails alone', async (_what, act) => {
  const [poison, ...events] = [newEvent({ username: 'poison' }), ...Array.from({ length: 20 }, () => newEvent())]
  const handler = forms.handleBatch(act)
  const [bad, ...others] = await Promise.allSettled([poison, ...events].map(event => attempt(handler, event)))
  expect(bad?.status).toBe('rejected')
  expect(others).toEqual(events.map(() => ({ status: 'fulfilled', value: { outcome: 'processed' } })))
  expect([await entries(poison), await effects(poison)]).toEqual([0, 0])
  for (const event of events) expect([await entries(event), await effects(event)]).toEqual([1, 1])
})

test('a statement that was not awaited finds its transaction ended, and is in nobody else\'s', async () => {
  let late = async () => {}
  const event = newEvent()
  await attempt(forms.handle(async (_event, db) => { late = async () => { await store(db, event) } }), event)
  await expect(late()).rejects.toThrow('the transaction has ended')
  expect(await effects(event)).toBe(1)
})

test('a handler that waits for a lock gives its connection back within the time limit of statements', async () => {
  const [event, other] = [newEvent(), await pool.connect()]
  await other.query('begin; lock table effects in exclusive mode')
  await expect(attempt(forms.handle(), event)).rejects.toMatchObject({ code: '57014' })
  await other.query('rollback')
  other.release()
  expect(pool.idleCount).toBe(pool.totalCount)
  expect(await entries(event)).toBe(0)
})

test('a connection that is lost in the middle is replaced, and nothing of the event is stored', async () => {
  const event = newEvent()
  const cut = async (_event: UserEvent, db: Db) => { await db.query('select pg_terminate_backend(pg_backend_pid())') }
  await expect(attempt(forms.handle(cut), event)).rejects.toThrow()
  expect([await entries(event), await effects(event)]).toEqual([0, 0])
  expect(await attempt(forms.handle(), event)).toEqual({ outcome: 'processed' })
})

describe('an entry', () => {
  const days = async (...ages: number[]) => {
    await pool.query('delete from inbox')
    for (const age of ages) await pool.query('insert into inbox (source, id, seen_at) values (\'s\', $1, now() - $2 * interval \'1 day\')', [String(age), age])
  }
  const kept = async () => (await pool.query<{ id: string }>('select id from inbox order by seen_at desc')).rows.map(({ id }) => Number(id))

  test('is removed when its event can come no more, in batches, and not sooner', async () => {
    await days(1)
    await pool.query('insert into inbox (source, id, seen_at) select \'old\', n::text, now() - interval \'9 days\' from generate_series(1, 2500) n')
    expect(await removeOldEntries(pool, 8 * 24 * 60 * 60 * 1000)).toBe(2500)
    expect(await kept()).toEqual([1])
  })

  const keptFor = (ms: number) => ({ ...userRegister, config: { ...userRegister.config, 'retention.ms': String(ms) } })
  async function cleanUp (...retentions: number[]) {
    const migrated = Promise.resolve()
    const app = Fastify()
    onTestFinished(async () => { await app.close() })
    await app.register(fp(async app => { app.decorate('database', { pool, migrated } as never) }, { name: 'database' }))
    await app.register(inboxCleanup, { topics: retentions.map(keptFor) })
  }
  const dayMs = 24 * 60 * 60 * 1000

  test('is kept for as long as any of the topics keeps its event', async () => {
    await days(3, 21, 23)
    await cleanUp(dayMs, 9 * dayMs, 2 * dayMs)
    await vi.waitFor(async () => expect(await kept()).toEqual([3, 21]), 60_000)
  })

  test('is kept for ever where a topic keeps its events for ever', async () => {
    await days(3, 10_000)
    const removed = vi.spyOn(pool, 'query')
    await cleanUp(dayMs, -1)
    expect(removed).not.toHaveBeenCalled()
    removed.mockRestore()
    expect(knownForMs(keptFor(-1))).toBe(Infinity)
    expect(await kept()).toEqual([3, 10_000])
  })
})
