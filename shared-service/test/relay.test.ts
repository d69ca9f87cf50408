import Fastify from 'fastify'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Relay } from '../dist/outbox/relay.js'
import type { OutboxRow } from '../dist/outbox/table.js'

const log = Fastify().log
const timedOut = Object.assign(new Error('timed out'), { code: -192, retriable: true })
const tooLarge = Object.assign(new Error('too large'), { code: 10, retriable: false })

let count = 0
const row = (aggregateid = `user-${++count}`): OutboxRow => ({ id: `event-${++count}`, aggregateid, type: 'user_register', payload: '{}', traceparent: null })

/** A table in memory, a broker that can be away, and the relay between them. */
function start (left: OutboxRow[] = []) {
  const table = new Map(left.map(one => [one.id, one]))
  const sent: string[] = []
  const broker = { isAway: false, answersAfterMs: 1, outstanding: 0, most: 0 }
  const rows = {
    claim: vi.fn(async (olderThanS: number, limit: number) => olderThanS === 0 ? [...table.values()].slice(0, limit) : []),
    remove: vi.fn(async (ids: string[]) => { ids.forEach(id => table.delete(id)) }),
    park: vi.fn(async (id: string, _reason: string) => { table.delete(id) })
  }
  const push = vi.fn(async (one: OutboxRow) => {
    broker.most = Math.max(broker.most, ++broker.outstanding)
    const takesMs = broker.isAway ? 30_000 : broker.answersAfterMs
    if (takesMs > 0) await new Promise(resolve => setTimeout(resolve, takesMs))
    broker.outstanding -= 1
    if (one.payload === 'too large') throw tooLarge
    if (broker.isAway) throw timedOut
    sent.push(one.id)
  })
  const relay = new Relay(rows, push, log)
  relay.start()
  const store = (one: OutboxRow, isFirst = true) => { table.set(one.id, one); relay.add(one, isFirst) }
  return { relay, store, table, sent, rows, push, broker }
}

beforeEach(() => { vi.useFakeTimers() })
afterEach(() => { vi.useRealTimers() })
const passed = async (ms: number) => await vi.advanceTimersByTimeAsync(ms)

describe('the relay', () => {
  test('sends a row right after its commit, and removes it only after the acknowledgement', async () => {
    const { store, table, sent } = start()
    await passed(0)
    store(row())
    await passed(0)
    expect(table.size).toBe(1)
    await passed(1)
    expect(sent).toHaveLength(1)
    expect(table.size).toBe(0)
  })

  test('removes under load in groups, and on stopping whatever is left at once', async () => {
    const { store, table, rows, relay } = start()
    await passed(0)
    for (let ms = 0; ms < 100; ms++) {
      store(row())
      await passed(1)
    }
    expect(rows.remove.mock.calls.length).toBeLessThan(7)
    await Promise.all([relay.stop(), passed(0)])
    expect(table.size).toBe(0)
  })

  test('is not stopped before the row is removed whose push was acknowledged last', async () => {
    const { store, table, rows, relay } = start()
    await passed(0)
    store(row())
    await passed(0)
    rows.remove.mockImplementation(async ids => {
      await new Promise(resolve => setTimeout(resolve, 5))
      ids.forEach(id => table.delete(id))
    })
    const left = relay.stop().then(() => table.size)
    await passed(10)
    expect(await left).toBe(0)
  })

  test('sends at its start what a crash has left, of any age', async () => {
    const left = Array.from({ length: 2500 }, () => row())
    const { sent, table, broker } = start(left)
    broker.answersAfterMs = 0
    await passed(100)
    expect(sent).toEqual(left.map(({ id }) => id))
    expect(table.size).toBe(0)
  })

  test('sends what comes while it reads the table, after what it has read', async () => {
    const old = row('A')
    const { store, sent, rows } = start([old])
    const late = row('A')
    store(late)
    await passed(100)
    expect(sent).toEqual([old.id, late.id])
    expect(rows.claim).toHaveBeenCalledTimes(1)
  })

  test('keeps the rows of one aggregate in order', async () => {
    const { store, sent } = start()
    await passed(0)
    const [first, second, other] = [row('A'), row('A'), row('B')]
    store(first)
    store(second)
    store(other)
    await passed(1)
    expect(sent).toEqual([first.id, other.id])
    await passed(1)
    expect(sent).toEqual([first.id, other.id, second.id])
  })

  test('reads an older row of the same aggregate back before it sends the newer one', async () => {
    const { store, sent, table } = start()
    await passed(0)
    const [foreign, own] = [row('A'), row('A')]
    table.set(foreign.id, foreign)
    store(own, false)
    await passed(100)
    expect(sent).toEqual([foreign.id, own.id])
  })

  test('keeps one push outstanding while the broker is away, and sends everything when it is back', async () => {
    const { store, sent, broker, table, push } = start()
    await passed(0)
    broker.isAway = true
    store(row())
    await passed(32_000)
    for (let n = 0; n < 50; n++) store(row())
    broker.most = broker.outstanding
    await passed(120_000)
    expect(broker.most).toBe(1)
    expect(push.mock.calls.length).toBeLessThan(10)
    broker.isAway = false
    await passed(40_000)
    expect(sent).toHaveLength(51)
    expect(table.size).toBe(0)
  })

  test('holds at most 10,000 rows and reads the rest back from the table', async () => {
    const { relay, store, sent, broker, table, rows } = start()
    await passed(0)
    relay.brokerIsBack(false)
    broker.isAway = true
    broker.answersAfterMs = 0
    for (let n = 0; n < 10_500; n++) store(row())
    expect(rows.claim).toHaveBeenCalledTimes(1)
    broker.isAway = false
    await passed(60_000)
    expect(new Set(sent).size).toBe(10_500)
    expect(sent).toHaveLength(10_500)
    expect(table.size).toBe(0)
  })

  test('parks what the broker will never take, with the reason, and goes on with what is behind it', async () => {
    const { store, sent, rows } = start()
    await passed(0)
    const large = { ...row('A'), payload: 'too large' }
    const next = row('A')
    store(large)
    store(next)
    await passed(5)
    expect(rows.park).toHaveBeenCalledExactlyOnceWith(large.id, 'too large')
    expect(sent).toEqual([next.id])
  })

  test('looks every 10 s for rows older than 60 s', async () => {
    const { rows } = start()
    await passed(30_000)
    expect(rows.claim.mock.calls.map(([olderThanS]) => olderThanS)).toEqual([0, 60, 60, 60])
  })

  test('is stopped within 1 s though the broker is away, and leaves in the table what was not acknowledged', async () => {
    const { relay, store, table, broker } = start()
    await passed(0)
    broker.isAway = true
    store(row())
    await passed(10)
    let isStopped = false
    relay.stop().then(() => { isStopped = true })
    await passed(1000)
    expect(isStopped).toBe(true)
    expect(table.size).toBe(1)
  })

  test('sends what a crash has left although the table could not be read at first', async () => {
    const { rows, push, relay } = start()
    rows.claim.mockReset()
    rows.claim.mockRejectedValueOnce(new Error('away')).mockResolvedValueOnce([row()]).mockResolvedValue([])
    relay.start()
    await passed(20_000)
    expect(push).toHaveBeenCalledOnce()
  })

  test('removes a row later that could not be removed at first, and does not send it again', async () => {
    const left = row()
    const { rows, table, push } = start([left])
    rows.remove.mockRejectedValueOnce(new Error('away'))
    await passed(5000)
    expect(table.size).toBe(0)
    expect(push).toHaveBeenCalledOnce()
  })

  test('tries a row alone that was refused in a batch, before it is parked', async () => {
    const { store, push, rows, table } = start()
    push.mockRejectedValueOnce(tooLarge).mockRejectedValueOnce(tooLarge)
    await passed(0)
    for (const one of [row(), row()]) store(one)
    await passed(100)
    expect(push).toHaveBeenCalledTimes(4)
    expect(rows.park).not.toHaveBeenCalled()
    expect(table.size).toBe(0)
  })
})
