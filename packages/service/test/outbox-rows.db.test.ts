import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import pg from 'pg'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { newDatabase } from '../../../test/fixtures/new-database.js'
import { migrateDatabase } from '../dist/database/migrate.js'
import { outboxMetrics } from '../dist/outbox/metrics.js'
import { outboxLeases } from '../dist/outbox/leases.js'
import { Relay } from '../dist/outbox/relay.js'
import { outboxRows } from '../dist/outbox/rows.js'

let database: Awaited<ReturnType<typeof newDatabase>>
let pool: pg.Pool

beforeAll(async () => {
  database = await newDatabase()
  await migrateDatabase(database.url, 'any-service', fileURLToPath(new URL('no-migrations', import.meta.url)))
  pool = new pg.Pool({ connectionString: database.url })
  pool.on('error', () => {}) // the database is dropped while the last connections end
})
afterAll(async () => {
  await pool.end()
  await database.close()
})

describe('the rows of the outbox', () => {
  const put = async (ageS: number, { aggregateid = randomUUID() as string, type = 't', relay = 0, client = pool as Pick<pg.Pool, 'query'> } = {}) => {
    const id = randomUUID()
    await client.query(`insert into outbox (id, aggregatetype, aggregateid, type, payload, created_at, relay_id)
      values ($1, 'user', $2, $3, '{}', now() - $4 * interval '1 s', $5)`, [id, aggregateid, type, ageS, relay])
    return id
  }
  const ids = (rows: Array<{ id: string, isBlocked: boolean }>) => rows.filter(({ isBlocked }) => !isBlocked).map(({ id }) => id)
  const empty = async () => {
    await pool.query('delete from outbox')
    await pool.query("update outbox_relays set held_until = '-infinity', held_by = null")
  }

  test('are read by whoever holds their relay id, in the order they were inserted', async () => {
    await empty()
    const [first, second, other, topic] = [await put(1), await put(100), await put(200, { relay: 7 }), await put(300, { type: 'u' })]
    const rows = outboxRows(pool)
    expect(ids(await rows.read('t', [0]))).toEqual([first, second])
    expect(ids(await rows.read('t', [7]))).toEqual([other])
    expect(ids(await rows.read('t', [7, 0]))).toEqual([first, second, other])
    expect(ids(await rows.read('u', [7, 0]))).toEqual([topic])
    expect((await rows.topics([0])).sort()).toEqual(['t', 'u'])
    expect(await rows.topics([7])).toEqual(['t'])
    expect(await rows.topics([])).toEqual([])
  })

  test('are left out while an older one of their aggregate and topic is another relay\'s', async () => {
    await empty()
    const [aggregateid, rows] = ['one', outboxRows(pool)]
    const first = await put(1, { aggregateid, relay: 1 })
    const second = await put(1, { aggregateid, relay: 2 })
    const third = await put(1, { aggregateid, relay: 1 })
    const ofAnother = await put(1, { aggregateid, relay: 2, type: 'u' })
    expect(ids(await rows.read('t', [1]))).toEqual([first])
    expect(ids(await rows.read('t', [2]))).toEqual([])
    expect(ids(await rows.read('u', [2]))).toEqual([ofAnother])
    expect(ids(await rows.read('t', [1, 2]))).toEqual([first, second, third])
    await rows.park(first, 'too large')
    expect(ids(await rows.read('t', [2]))).toEqual([second])
    await rows.remove([second])
    expect(ids(await rows.read('t', [1]))).toEqual([third])
  })

  test('of transactions that lock their aggregate are in the order of the commits, not of the starts', async () => {
    await empty()
    const [early, late] = [await pool.connect(), await pool.connect()]
    try {
      for (const client of [early, late]) await client.query('begin; select now()')
      const lock = 'select pg_advisory_xact_lock(42)' // in place of the aggregate's row
      await late.query(lock)
      const first = await put(0, { aggregateid: 'one', client: late })
      await late.query('commit')
      await early.query(lock)
      const second = await put(0, { aggregateid: 'one', client: early })
      await early.query('commit')
      expect(ids(await outboxRows(pool).read('t', [0]))).toEqual([first, second])
    } finally {
      for (const client of [early, late]) client.release(true)
    }
  })

  test('of a relay that has died are another relay\'s after its lease, and at once after a stop; an id without rows is taken by the next relay', async () => {
    await empty()
    const [dead, stopped, living] = [outboxLeases(pool), outboxLeases(pool), outboxLeases(pool)]
    const [deadId = 0, stoppedId = 0, livingId = 0] = [await dead.acquire(), await stopped.acquire(), await living.acquire()]
    expect(new Set([0, deadId, stoppedId, livingId]).size).toBe(4)
    await put(1, { relay: deadId })
    const left = await put(1, { relay: stoppedId })
    await put(1)
    expect((await living.renew(true)).sort()).toEqual([0, livingId].sort())
    await stopped.releaseAll()
    expect(await living.renew(false)).not.toContain(stoppedId)
    expect(await living.renew(true)).toContain(stoppedId)
    await pool.query("update outbox_relays set held_until = now() - interval '1 s' where id = $1", [deadId])
    expect((await living.renew(true)).sort()).toEqual([0, deadId, stoppedId, livingId].sort())
    expect(await dead.renew(true)).toEqual([])

    await outboxRows(pool).remove([left])
    expect(await living.release([0, deadId, stoppedId])).toEqual([stoppedId])
    expect(await outboxLeases(pool).acquire()).toBe(stoppedId)
  })

  test('are never two relays\', though many start and take over at the same moment', async () => {
    await empty()
    const relays = Array.from({ length: 20 }, () => outboxLeases(pool))
    const own = await Promise.all(relays.map(async relay => await vi.waitFor(async () => await relay.acquire() ?? expect.unreachable(), { timeout: 60_000, interval: 10 })))
    expect(new Set(own).size).toBe(20)
    for (const id of own) await put(1, { relay: id })
    await pool.query('update outbox_relays set held_until = now() where id = any($1)', [own.slice(10)])
    const held = (await Promise.all(relays.slice(0, 10).map(async relay => await relay.renew(true)))).flat()
    expect(new Set(held).size).toBe(held.length)
  })

  test('whose transaction ends after younger ones were sent are sent, too', async () => {
    await empty()
    const slow = await pool.connect()
    await slow.query('begin')
    const first = await put(100, { client: slow })
    const younger = [await put(90), await put(0)]
    const sent: string[] = []
    const relay = new Relay(outboxRows(pool), outboxLeases(pool), async ({ id }) => { sent.push(id) }, Fastify().log)
    try {
      relay.start()
      await vi.waitFor(() => expect(sent).toEqual(younger), 60_000)
      const second = await put(100, { client: slow })
      await slow.query('commit')
      await vi.waitFor(() => expect(sent).toEqual([...younger, first, second]), 60_000)
      await vi.waitFor(async () => expect((await pool.query('select 1 from outbox')).rowCount).toBe(0), 60_000)
    } finally {
      slow.release(true)
      await relay.stop()
    }
  })

  test('are left out once they are parked, with the reason kept, and are gone once they are removed', async () => {
    await pool.query('delete from outbox')
    const [parked, removed] = [await put(100), await put(100)]
    const rows = outboxRows(pool)
    await rows.park(parked, 'too large')
    await rows.remove([removed])
    expect(await rows.read('t', [0])).toEqual([])
    expect((await pool.query('select id, parked from outbox')).rows).toEqual([{ id: parked, parked: 'too large' }])
  })

  test('are counted for /metrics, with the age of the oldest that waits; a parked one counts by itself', async () => {
    const registry = new Registry()
    outboxMetrics(registry, { pool: pool as never, isUp: true }, Fastify().log)
    const shown = async () => (await registry.metrics()).match(/^outbox_.+ \d+/gm)
    await pool.query('delete from outbox')
    expect(await shown()).toEqual(['outbox_events{state="waiting"} 0', 'outbox_events{state="parked"} 0', 'outbox_oldest_event_age_seconds 0'])
    await put(50)
    await put(70)
    await outboxRows(pool).park(await put(90), 'too large')
    expect(await shown()).toEqual(['outbox_events{state="waiting"} 2', 'outbox_events{state="parked"} 1', expect.stringMatching(/^outbox_oldest_event_age_seconds 7\d$/)])
  })
})
