import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import pg from 'pg'
import { createEvent, type Event } from '@pair/events'
import { userRegister } from '@pair/shared-topics'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { newDatabase } from '../../../test/fixtures/new-database.js'
import { migrateDatabase } from '../dist/database/migrate.js'
import { ServicePool } from '../dist/database/pool.js'
import { outboxLeases } from '../dist/outbox/leases.js'
import { Outbox } from '../dist/outbox/outbox.js'
import { Relay } from '../dist/outbox/relay.js'
import { outboxRows } from '../dist/outbox/rows.js'
import { messageMaker } from '../dist/publishing/messages-of.js'

// What a service is promised of outbox.add, on a real database, with a broker in memory.

let database: Awaited<ReturnType<typeof newDatabase>>
let pool: ServicePool
const small = { ...userRegister, name: 'small', config: { ...userRegister.config, 'max.message.bytes': '1000' } } as const
const messageOf = messageMaker(() => [userRegister, small])

beforeAll(async () => {
  database = await newDatabase()
  await migrateDatabase(database.url, 'any-service', fileURLToPath(new URL('no-migrations', import.meta.url)))
  pool = new ServicePool({ connectionString: database.url }, 10)
  await pool.query('create table effects (id int primary key)')
})
afterAll(async () => {
  await pool.end()
  await database.close()
})

function event (subject: string = randomUUID(), topic: typeof userRegister | typeof small = userRegister): Event {
  const data = { id: randomUUID(), email: 'user@example.com', username: 'imbatman' }
  return createEvent(topic, { id: randomUUID(), source: '/any-service', subject, time: new Date(), data })
}

/** A relay whose pushes are acknowledged after a moment, and the outbox before it. */
async function start (rows = outboxRows(pool)) {
  await pool.query("delete from outbox; update outbox_relays set held_until = '-infinity', held_by = null")
  const sent: string[] = []
  const read = vi.spyOn(rows, 'read')
  const relay = new Relay(rows, outboxLeases(pool), async ({ id }) => {
    await new Promise(resolve => setTimeout(resolve, 1))
    sent.push(id)
  }, Fastify().log)
  relay.start()
  onTestFinished(async () => await relay.stop())
  await vi.waitFor(() => expect(relay.relayId).not.toBe(0), 120_000)
  return { relay, outbox: new Outbox(relay, messageOf, 'any', pool), sent, read, expectSent: async (ids: string[]) => await vi.waitFor(() => expect(sent).toEqual(ids), 120_000) }
}
const idsOf = (events: Event[]) => events.map(({ id }) => id)
const waiting = async () => (await pool.query('select from outbox')).rowCount

describe('an event that is added in a transaction', () => {
  test('is sent right after the commit, without the table being read for it', async () => {
    const { outbox, read, expectSent } = await start()
    await vi.waitFor(async () => { // the first scan is over
      await pool.transaction(async db => await outbox.add(db, event()))
      read.mockClear()
      const one = event()
      await pool.transaction(async db => await outbox.add(db, [one]))
      await vi.waitFor(async () => expect(await waiting()).toBe(0), 120_000)
      expect(read).not.toHaveBeenCalled()
    }, 20_000)
    await expectSent(expect.any(Array) as never)
  })

  test('that is undone by a savepoint is never sent, and what was added before it is', async () => {
    const { outbox, sent } = await start()
    const [before, undone, after] = [event(), event(), event()]
    await pool.transaction(async db => {
      await outbox.add(db, before)
      await db.query('savepoint here')
      await outbox.add(db, undone)
      await db.query('rollback to savepoint here')
      await outbox.add(db, after)
    })
    await vi.waitFor(() => expect([...sent].sort()).toEqual(idsOf([before, after]).sort()), 120_000)
    expect(await pool.query('select from outbox where id = $1', [undone.id])).toMatchObject({ rowCount: 0 })
  })

  test('that is rolled back is never sent, nor is what was written with it stored', async () => {
    const { outbox, sent, expectSent } = await start()
    const own = new Error('of the service')
    await expect(pool.transaction(async db => {
      await db.query('insert into effects values (1)')
      await outbox.add(db, event())
      throw own
    })).rejects.toBe(own)
    await expect(pool.transaction(async db => {
      await outbox.add(db, event())
      await db.query('insert into effects values (2), (2)').catch(() => {}) // the service goes on, PostgreSQL does not
    })).rejects.toMatchObject({ code: '23505' })
    const after = event()
    await pool.transaction(async db => await outbox.add(db, after))
    await expectSent([after.id])
    expect((await pool.query('select from effects')).rowCount).toBe(0)
    expect(sent).toHaveLength(1)
  })

  test('is not handed over before the commit', async () => {
    const { outbox, sent, expectSent } = await start()
    const one = event()
    await pool.transaction(async db => {
      await outbox.add(db, one)
      await pool.query('select pg_sleep(0.2)')
      expect(sent).toEqual([])
    })
    await expectSent([one.id])
  })

  test('is sent by the next relay where the process dies right after the commit', async () => {
    const { expectSent } = await start()
    const [dead, one] = [new Outbox({ relayId: 77, add () {} }, messageOf, 'any', pool), event()]
    await pool.query("insert into outbox_relays (id, held_until) values (77, now() - interval '1 s')")
    await pool.transaction(async db => await dead.add(db, one))
    await expectSent([one.id])
  })

  test('on a client of the caller\'s own is found and sent', async () => {
    const { outbox, expectSent } = await start()
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    const one = event()
    await client.query('begin')
    await outbox.add(client, one)
    await client.query('commit')
    await client.end()
    await expectSent([one.id])
  })
})

describe('rows that are stored with their events', () => {
  const store = (ids: Array<string | undefined>) => ({
    name: 'insert-things', text: 'insert into things (id) select id from json_to_recordset($1) as new (id uuid) on conflict do nothing returning id', values: [JSON.stringify(ids.map(id => ({ id })))]
  })
  const stored = async () => (await pool.query<{ id: string }>('select id from things order by id')).rows.map(({ id }) => id)
  beforeEach(async () => { await pool.query('create table if not exists things (id uuid primary key); truncate things') })

  test('take one round trip; the event of each is sent, in order, and none of a row that was not stored', async () => {
    const { outbox, expectSent } = await start()
    const [taken, first, second] = [event(), event(), event()]
    await pool.query('insert into things values ($1)', [taken.subject])
    const more = event(second.subject)
    const syncs = vi.spyOn(pg.Connection.prototype, 'sync')
    const ids = await outbox.storeWithEvents(store([taken, first, second].map(({ subject }) => subject)), [taken, first, second, more])
    syncs.mockRestore()
    expect(ids).toEqual(new Set([first.subject, second.subject]))
    await expectSent(idsOf([first, second, more]))
    expect(await stored()).toEqual([taken, first, second].map(({ subject }) => subject).sort())
  })

  test('are not stored where an event cannot be sent, or the database refuses one of both', async () => {
    const { outbox, sent } = await start()
    const one = event()
    const store1 = store([one.subject])
    await expect(outbox.storeWithEvents(store1, [{ ...one, data: {} }])).rejects.toThrow(/not an event of the topic/)
    await expect(outbox.storeWithEvents(store1, [one, { ...event(one.subject), id: one.id }])).rejects.toMatchObject({ code: '23505' })
    await expect(outbox.storeWithEvents({ ...store1, name: 'no-such-table', text: 'insert into nothing values (1) returning id' }, [one])).rejects.toMatchObject({ code: '42P01' })
    expect(await stored()).toEqual([])
    expect(await waiting()).toBe(0)
    expect(sent).toEqual([])
  })

  test('whose subject waits under another relay are behind its older event', async () => {
    const { outbox, sent, expectSent } = await start()
    const [older, newer] = [event('00000000-0000-0000-0000-000000000001'), event('00000000-0000-0000-0000-000000000001')]
    await pool.query("insert into outbox_relays (id, held_until, held_by) values (79, now() + interval '1 h', gen_random_uuid()) on conflict (id) do update set held_until = excluded.held_until")
    await pool.transaction(async db => await new Outbox({ relayId: 79, add () {} }, messageOf, 'any', pool).add(db, older))
    await outbox.storeWithEvents(store([newer.subject]), [newer])
    await sleep(300) // nothing would tell that it is sent
    expect(sent).toEqual([])
    await pool.query('delete from outbox where id = $1', [older.id])
    await expectSent([newer.id])
  })
})

describe('events of one subject', () => {
  test('are looked for by an index, also where the table was small when that was planned', async () => {
    const own = new ServicePool({ connectionString: database.url }, 1)
    const outbox = new Outbox({ relayId: 78, add () {} }, messageOf, 'any', pool)
    const scans = async () => {
      await own.query('select pg_stat_force_next_flush()')
      const { rows: [row] } = await own.query(`select seq_scan::int as whole, (select idx_tup_read::int from pg_stat_user_indexes where indexrelname = 'outbox_relay_id') as waiting
        from pg_stat_user_tables where relname = 'outbox'`)
      return row
    }
    await pool.query('truncate outbox')
    await pool.query('vacuum analyze outbox')
    const before = await scans()
    for (let count = 0; count < 10; count++) await own.transaction(async db => await outbox.add(db, event()))
    expect(await scans()).toEqual(before)
    const { rows: [plans] } = await own.query<{ asBefore: string }>('select current_setting(\'enable_seqscan\') as "asBefore"')
    expect(plans?.asBefore).toBe('on')
    await pool.query('delete from outbox where relay_id = 78')
    await own.end()
  })

  test('are sent in the order in which they were added, in one call, in one transaction and in several', async () => {
    const { outbox, expectSent } = await start()
    const all = Array.from({ length: 9 }, () => event('one'))
    await pool.transaction(async db => {
      await outbox.add(db, all.slice(0, 3))
      await outbox.add(db, all.slice(3, 5))
    })
    for (const one of all.slice(5)) await pool.transaction(async db => await outbox.add(db, one))
    await expectSent(idsOf(all))
  })

  test('wait for an older one that another relay has still to send', async () => {
    const { outbox, sent, expectSent } = await start()
    const first = event()
    await pool.transaction(async db => await outbox.add(db, first))
    await vi.waitFor(async () => expect(await waiting()).toBe(0), 120_000) // from here on rows are taken as they come
    const [older, newer, other] = [event('one'), event('one'), event('two')]
    await pool.query("insert into outbox_relays (id, held_by, held_until) values (78, gen_random_uuid(), now() + interval '1 hour')")
    await pool.transaction(async db => await new Outbox({ relayId: 78, add () {} }, messageOf, 'any', pool).add(db, older))
    await pool.transaction(async db => await outbox.add(db, [newer, other]))
    await expectSent([first.id, other.id])
    await pool.query('delete from outbox where id = $1', [older.id]) // the other relay has sent it
    await expectSent([first.id, other.id, newer.id])
    expect(sent).not.toContain(older.id)
    await pool.query('delete from outbox_relays where id = 78')
  })

  test('of many transactions that lock what they tell of reach the broker in the order of the commits', async () => {
    const { outbox, sent } = await start()
    const committed: string[] = []
    await pool.query('insert into effects values (100), (101), (102)')
    await Promise.all(Array.from({ length: 300 }, async (_, n) => {
      const [subject, one] = [100 + n % 3, event(String(100 + n % 3))]
      for (;;) {
        try {
          return await pool.transaction(async db => {
            await db.query('select from effects where id = $1 for update', [subject])
            await outbox.add(db, one)
            committed.push(`${subject} ${one.id}`)
          })
        } catch (error) {
          expect((error as Error).name).toBe('OverloadError')
        }
      }
    }))
    await vi.waitFor(() => expect(sent).toHaveLength(300), 120_000)
    const ofSubject = (subject: number) => committed.filter(one => one.startsWith(`${subject} `)).map(one => one.slice(4))
    for (const subject of [100, 101, 102]) expect(sent.filter(id => ofSubject(subject).includes(id))).toEqual(ofSubject(subject))
  })
})

describe('what no reader or broker would take is refused when it is added, by a line that quotes nothing:', () => {
  test.each<[string, unknown, RegExp]>([
    ['no event', { email: 'secret@example.com' }, /^not an event of a topic that this service sends: create it with the function that app\.sends\(topic\) returns$/],
    ['nothing', undefined, /^not an event of a topic that this service sends/],
    ['an event of a topic that was not declared', { ...event(), type: 'another' }, /its type is another/],
    ['data that break the contract', { ...event(), data: { id: randomUUID(), email: 'secret@example.com' } }, /^not an event of the topic user_register: event\/data must have required property(?!.*secret)/],
    ['an event without a subject', { ...event(), subject: undefined }, /^an event of the topic user_register has no subject/],
    ['an event that is too large', { ...event('one', small), source: `/${'x'.repeat(190)}`, subject: 'x'.repeat(500) }, /^an event of the topic small is too large: \d+ bytes with the message's overhead, and the topic's limit is 1000$/]
  ])('%s', async (_what, wrong, message) => {
    const { outbox } = await start()
    await expect(pool.transaction(async db => await outbox.add(db, [event(), wrong as Event]))).rejects.toThrow(message)
    expect(await waiting()).toBe(0)
  })
})
