import Fastify from 'fastify'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { Relay } from '../dist/outbox/relay.js'
import type { OutboxRow } from '../dist/outbox/table.js'
import type { OutboundMessage } from '../dist/publishing/message.js'

const log = Fastify().log
const timedOut = Object.assign(new Error('timed out'), { code: -192, retriable: true })
const unknownTopic = Object.assign(new Error('unknown topic'), { code: -188, retriable: true })
const tooLarge = Object.assign(new Error('too large'), { code: 10, retriable: false })

let count = 0
const row = (aggregateid = `user-${++count}`, type = 'user_register'): OutboxRow => ({ id: `event-${++count}`, aggregateid, type, payload: '{}', traceparent: null, relay_id: 1 })

/** A table in memory, a broker that can be away, and the relay between them. */
function start (left: OutboxRow[] = []) {
  const table = new Map(left.map(one => [one.id, one]))
  const sent: string[] = []
  const broker = { isAway: false, failing: '', answersAfterMs: 1, outstanding: 0, most: 0 }
  const rows = {
    topics: vi.fn(async () => [...new Set([...table.values()].map(({ type }) => type))]),
    read: vi.fn(async (topic: string, relayIds: number[]) => {
      const read = [...table.values()].filter(({ type, relay_id: id }) => type === topic && relayIds.includes(id))
      return read.slice(0, 1000).map(one => Object.assign(one, { isBlocked: false }))
    }),
    remove: vi.fn(async (ids: string[]) => { ids.forEach(id => table.delete(id)) }),
    park: vi.fn(async (id: string, _reason: string) => { table.delete(id) })
  }
  const push = vi.fn(async (one: OutboundMessage) => {
    broker.most = Math.max(broker.most, ++broker.outstanding)
    const takesMs = broker.isAway ? 30_000 : broker.answersAfterMs
    if (takesMs > 0) await new Promise(resolve => setTimeout(resolve, takesMs))
    broker.outstanding -= 1
    if (one.type === broker.failing) throw unknownTopic
    if (one.payload === 'too large') throw tooLarge
    if (broker.isAway) throw timedOut
    sent.push(one.id)
  })
  const leases = {
    acquire: vi.fn(async (): Promise<number | undefined> => 1),
    renew: vi.fn(async (_adopt: boolean) => [1]),
    release: vi.fn(async (_ids: number[]): Promise<number[]> => []),
    releaseAll: vi.fn(async () => {})
  }
  const relay = new Relay(rows, leases, push, log)
  relay.start()
  const store = (one: OutboxRow, previous: string | null = null) => { table.set(one.id, one); relay.add({ ...one, previous }) }
  return { relay, store, table, sent, rows, leases, push, broker }
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
    await Promise.all([relay.stop(), passed(10)])
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

  test('sends on stopping what was committed while the table was read, too', async () => {
    const { store, rows, relay, table, sent } = start([row()])
    await passed(100)
    rows.read.mockImplementation(async () => {
      await new Promise(resolve => setTimeout(resolve, 50))
      return []
    })
    const foreign = row()
    table.set(foreign.id, { ...foreign, type: 'user_register' })
    await passed(900) // the scan has it read
    expect(rows.read).toHaveBeenCalledTimes(2)
    table.delete(foreign.id)
    store(row())
    const stopped = relay.stop()
    await passed(200)
    await stopped
    expect(sent).toHaveLength(2)
    expect(table.size).toBe(0)
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
    expect(rows.read).toHaveBeenCalledTimes(1)
  })

  test('keeps the rows of one aggregate in order', async () => {
    const { store, sent } = start()
    store(row())
    await passed(100)
    const [first, second, other] = [row('A'), row('A'), row('B')]
    store(first)
    store(second)
    store(other)
    await passed(1)
    expect(sent.slice(1)).toEqual([first.id, other.id])
    await passed(1)
    expect(sent.slice(1)).toEqual([first.id, other.id, second.id])
  })

  test('reads an older row of the same aggregate back before it sends the newer one', async () => {
    const { store, sent, table } = start()
    await passed(0)
    const first = row()
    store(first)
    await passed(100) // from here on rows are taken as they come
    const [foreign, own] = [row('A'), row('A')]
    table.set(foreign.id, foreign)
    store(own, foreign.id)
    await passed(100)
    expect(sent).toEqual([first.id, foreign.id, own.id])
  })

  test('sends a row right behind the older one of its aggregate that is on its way, and reads nothing for it', async () => {
    const { store, sent, rows } = start()
    await passed(0)
    const chain = Array.from({ length: 5 }, () => row('A'))
    store(row())
    await passed(100)
    rows.read.mockClear()
    chain.forEach((one, index) => store(one, chain[index - 1]?.id))
    await passed(10)
    expect(sent.slice(1)).toEqual(chain.map(({ id }) => id))
    expect(rows.read).not.toHaveBeenCalled()
  })

  test('holds 32 MB of a topic at most, and leaves the rest in the table until there is room', async () => {
    const { store, sent, broker, table, push } = start()
    await passed(0)
    store(row())
    await passed(100)
    broker.isAway = true
    const all = Array.from({ length: 40 }, () => Object.assign(row(), { payload: 'x'.repeat(2 ** 20) }))
    for (const one of all) store(one)
    await passed(1000)
    expect(push).toHaveBeenCalledTimes(1 + 32)
    broker.isAway = false
    await passed(120_000)
    expect(new Set(sent.slice(1))).toEqual(new Set(all.map(({ id }) => id)))
    expect(table.size).toBe(0)
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
    expect(rows.read).toHaveBeenCalledTimes(1)
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

  test('finds each second what others have put into the table', async () => {
    const { table, sent } = start()
    await passed(500)
    const one = row()
    table.set(one.id, one)
    await passed(1000)
    expect(sent).toEqual([one.id])
  })

  test('sends a row once that is removed while the table is being read', async () => {
    const { store, sent, rows, table } = start([row()])
    await passed(900)
    const late = row()
    store(late)
    rows.read.mockImplementationOnce(async () => {
      const read = [...table.values()].map(one => ({ ...one, isBlocked: false }))
      await new Promise(resolve => setTimeout(resolve, 200))
      return read
    })
    await passed(1000)
    expect(sent.filter(id => id === late.id)).toHaveLength(1)
  })

  test('sends only rows of its own relay id, and those of a relay that has died', async () => {
    const [own, others] = [row(), { ...row(), relay_id: 2 }]
    const { store, sent, leases } = start([own, others])
    await passed(2500)
    store({ ...row(), relay_id: 0 })
    expect(sent).toEqual([own.id])
    leases.renew.mockResolvedValue([1, 2])
    await passed(1000)
    expect(sent).toEqual([own.id, others.id])
  })

  test('a relay that cannot renew its lease pushes nothing more, and goes on in order once it can', async () => {
    const { sent, broker, leases, rows } = start([row('A'), row('A'), row('A')])
    broker.answersAfterMs = 3000
    leases.renew.mockResolvedValueOnce([1]).mockRejectedValue(new Error('away'))
    await passed(20_000)
    expect(sent).toHaveLength(2) // the second push began before the lease was over
    leases.renew.mockResolvedValue([1])
    await passed(10_000)
    expect(sent).toHaveLength(3)
    expect([...sent].sort()).toEqual(sent)
    expect(rows.remove.mock.calls.flatMap(([ids]) => ids)).toEqual(sent)
  })

  test('a relay whose id was taken leaves its rows to the one that has it, and takes new rows under another id', async () => {
    const left = Array.from({ length: 20 }, () => row('A'))
    const { sent, broker, leases, relay, store } = start(left)
    broker.answersAfterMs = 400
    await passed(900)
    leases.acquire.mockResolvedValue(3)
    leases.renew.mockResolvedValueOnce([]).mockResolvedValue([3])
    await passed(3000)
    expect(sent.length).toBeLessThan(5)
    expect(relay.relayId).toBe(3)
    const own = { ...row(), relay_id: relay.relayId }
    store(own)
    await passed(1000)
    expect(sent.at(-1)).toBe(own.id)
  })

  test('leaves a row for which another relay has an older one, and looks again each second', async () => {
    const blocked = row()
    const { sent, rows } = start([blocked, row()])
    rows.read.mockImplementation(async () => [{ ...blocked, isBlocked: true }])
    await passed(2500)
    expect(rows.read.mock.calls.length).toBeLessThanOrEqual(4)
    expect(sent).toEqual([])
    rows.read.mockImplementation(async () => [{ ...blocked, isBlocked: false }])
    await passed(1000)
    expect(sent).toEqual([blocked.id])
  })

  test('gives its relay ids back when it is stopped', async () => {
    const { relay, leases } = start()
    await passed(100)
    await Promise.all([relay.stop(), passed(1000)])
    expect(leases.releaseAll).toHaveBeenCalledOnce()
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
    const { rows, push } = start([row()])
    rows.topics.mockRejectedValueOnce(new Error('away'))
    rows.read.mockRejectedValueOnce(new Error('away'))
    await passed(30_000)
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
    store(row())
    await passed(100)
    push.mockClear().mockRejectedValueOnce(tooLarge).mockRejectedValueOnce(tooLarge)
    for (const one of [row(), row()]) store(one)
    await passed(100)
    expect(push).toHaveBeenCalledTimes(4)
    expect(rows.park).not.toHaveBeenCalled()
    expect(table.size).toBe(0)
  })

  test('sends the events of each topic, however many wait for one that takes none', async () => {
    const left = Array.from({ length: 11_000 }, () => row(undefined, 'missing'))
    const { store, sent, broker, push, table } = start(left)
    broker.failing = 'missing'
    broker.answersAfterMs = 0
    await passed(100)
    const tries = () => push.mock.calls.filter(([{ type }]) => type === 'missing').length
    const first = tries() // those that were on their way before one had failed
    const others = Array.from({ length: 20 }, () => row())
    for (const one of others) {
      store(row(undefined, 'missing'))
      store(one)
      await passed(100)
      expect(sent).toContain(one.id)
    }
    expect(first).toBeLessThanOrEqual(1001)
    expect(tries() - first).toBeLessThan(15)
    broker.failing = ''
    await passed(60_000)
    expect(sent).toHaveLength(11_040)
    expect(table.size).toBe(0)
  })

  test('reports a topic that takes nothing by its name and reason, and not as a broker that is away', async () => {
    const warn = vi.spyOn(log, 'warn').mockImplementation(() => {})
    onTestFinished(() => warn.mockRestore())
    const { store, broker } = start()
    broker.failing = 'missing'
    store(row(undefined, 'missing'))
    await passed(1000)
    expect(warn.mock.calls).toEqual([[expect.objectContaining({ topic: 'missing', err: unknownTopic }), 'the topic: away, trying again']])
  })

  test.each([
    { at: 'renew', line: 'the outbox: the database refuses to read it or its leases, trying again' },
    { at: 'remove', line: 'sent events: the database refuses to remove them from the outbox, trying again' }
  ] as const)('reports a missing right to $at, and goes on when it is given', async ({ at, line }) => {
    const warn = vi.spyOn(log, 'warn').mockImplementation(() => {})
    onTestFinished(() => warn.mockRestore())
    const { store, table, rows, leases } = start()
    const refused = Object.assign(new Error('permission denied'), { severity: 'ERROR', code: '42501' })
    if (at === 'renew') leases.renew.mockRejectedValueOnce(refused).mockRejectedValueOnce(refused)
    else rows.remove.mockRejectedValueOnce(refused).mockRejectedValueOnce(refused)
    store(row())
    await passed(5000)
    expect(warn.mock.calls).toEqual([[expect.objectContaining({ err: refused }), line]])
    expect(table.size).toBe(0)
  })

  test('an event that the broker does not take yet holds up its own aggregate only', async () => {
    const { store, sent, push } = start()
    const [refused, behind] = [row('A'), row('A')]
    const pushed = push.getMockImplementation() ?? (async () => {})
    push.mockImplementation(async one => {
      if (one === refused) throw unknownTopic
      await pushed(one)
    })
    store(refused)
    store(behind)
    for (let count = 1; count <= 50; count++) {
      store(row())
      await passed(100)
      expect(sent).toHaveLength(count)
    }
    push.mockImplementation(pushed)
    await passed(2000)
    expect(sent.slice(50)).toEqual([refused.id, behind.id])
  })
})
