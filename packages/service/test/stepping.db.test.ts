import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { permanent, transient } from '@pair/service'
import type { ServicePool } from '../dist/database/pool.js'
import { useGuardedDatabase } from './guarded-database.js'
import { never, partitionOf, stepped } from './partition-lives.js'

let pool: ServicePool
useGuardedDatabase(opened => { pool = opened })

const away = () => transient(new Error('away'))

describe('a partition', () => {
  test('that is assigned costs one statement more, and its messages none', async () => {
    const { state, live } = partitionOf(pool, () => {}, 100)
    const { statements } = live()
    await vi.waitFor(() => expect(state.committed).toBe(100), 120_000)
    expect(statements).toHaveBeenCalledTimes(1)
    statements.mockRestore()
  })

  test('is handled side by side as long as it makes progress, and one message at a time from the third assignment without on', async () => {
    let isBusy = true
    const { state, ids, live } = partitionOf(pool, async () => { if (isBusy) await never() })
    for (let life = 1; life <= 2; life++) {
      live()
      await vi.waitFor(() => expect(state.handled).toEqual(ids), 120_000)
      state.handled = []
    }
    live()
    await vi.waitFor(() => expect(state.handled).toEqual(ids.slice(0, 1)), 120_000)
    await sleep(100) // nothing would tell that a second one comes
    expect(state.handled).toEqual(ids.slice(0, 1))
    isBusy = false
    state.handled = []
    live()
    await vi.waitFor(() => expect(state.committed).toBe(5), 120_000)
    expect(state.handled).toEqual(ids)
  })

  test('in which the same message is marked at three deaths goes on without it', async () => {
    const { state, ids, live, row, die } = partitionOf(pool, async ({ id }) => { if (id === ids[0]) await die() })
    for (let life = 1; life <= 5; life++) {
      state.handled = []
      live()
      await vi.waitFor(() => expect(state.handled.length).toBeGreaterThan(0), 120_000)
      if (life > 2) expect(await row()).toMatchObject({ weight: 3, message: '0@-1' })
    }
    state.handled = []
    live()
    await vi.waitFor(() => expect(state.committed).toBe(5), 120_000)
    expect(state.letters).toEqual(['crashed'])
    expect(state.handled).toEqual(ids.slice(1))
  })

  test('in which messages before the one that kills wait for a dependency goes on without it, too', async () => {
    const { state, ids, live, die } = partitionOf(pool, async ({ id }) => {
      if (id === ids[2]) await die()
      if (ids.indexOf(id) < 2) throw away()
    })
    for (let life = 1; life <= 5; life++) {
      state.handled = []
      live()
      await vi.waitFor(() => expect(state.handled).toContain(ids[2]), 120_000)
    }
    state.handled = []
    const { processor } = live()
    await vi.waitFor(() => expect(state.letters).toEqual(['crashed']), 120_000)
    await vi.waitFor(() => expect(state.handled).toEqual(expect.arrayContaining(ids.slice(3))), 120_000)
    expect(state.handled).not.toContain(ids[2])
    await processor.stop()
  })

  test('that is stepped through does not wait for one key\'s dependency, and keeps the order of that key', async () => {
    let isAway = true
    const { state, ids, live } = await stepped(pool, ({ id }) => { if (id === ids[1] && isAway) throw away() }, { keys: ['a', 'b', 'c', 'b', 'd'] })
    const done = (...offsets: number[]) => offsets.map(offset => ids[offset])
    live()
    await vi.waitFor(() => expect(state.handled).toEqual(expect.arrayContaining(done(0, 1, 2, 4))), 120_000)
    expect(state.handled).not.toContain(ids[3])
    isAway = false
    await vi.waitFor(() => expect(state.committed).toBe(5), 120_000)
    expect(state.handled.filter(id => done(1, 3).includes(id)).slice(-2)).toEqual(done(1, 3))
  })

  test('that is stepped through does not wait for a handler that takes long', async () => {
    const { state, ids, live } = await stepped(pool, async ({ id }) => { if (id === ids[0]) await never() })
    live()
    await vi.waitFor(() => expect(state.handled).toEqual(ids), 120_000)
  })

  test('that is stepped through does not wait for the dead-letter topic with what is no event', async () => {
    const { state, ids, live } = await stepped(pool, () => {}, { rubbish: [1] })
    Object.assign(state, { refusesLetters: true, letters: [] })
    live()
    await vi.waitFor(() => expect(state.handled).toEqual(ids.filter((_id, offset) => offset !== 1)), 120_000)
    state.refusesLetters = false
    await vi.waitFor(() => expect(state.committed).toBe(5), 120_000)
    expect(state.letters).toEqual(['not-decodable'])
  })

  test('that is stepped through keeps to the concurrency of its consumer', async () => {
    let running = 0
    let most = 0
    const { state, live, row } = await stepped(pool, async () => {
      most = Math.max(most, ++running)
      if (state.handled.length <= 2) {
        await vi.waitFor(async () => expect(await row()).toMatchObject({ message: `${state.handled.length - 1}@-1`, weight: 0 }), { timeout: 120_000, interval: 20 })
        await sleep(100) // nothing would tell that another one begins
      }
      running -= 1
    }, { concurrency: 1 })
    live()
    await vi.waitFor(() => expect(state.committed).toBe(5), 120_000)
    expect(most).toBe(1)
  })
})

describe('a mark', () => {
  test.each([
    ['waits for a dependency', () => { throw away() }],
    ['waits for another attempt', () => { throw new Error('a mistake') }],
    ['is refused', () => { throw permanent(new Error('no')) }],
    ['is processed', () => {}]
  ])('is gone when its message %s', async (_what, act) => {
    const { state, row, live } = await stepped(pool, act)
    const { processor } = live()
    await vi.waitFor(() => expect(state.handled.length).toBeGreaterThan(0), 120_000)
    await vi.waitFor(async () => expect(await row()).toMatchObject({ weight: 0, suspicion: 0 }), 120_000)
    await processor.stop()
  })

  test('weighs less once its handler lets the event loop turn, and is withdrawn after a second', async () => {
    const { ids, row, live } = await stepped(pool, async ({ id }) => { if (id === ids[0]) await never() })
    live()
    for (const weight of [1, 0]) await vi.waitFor(async () => expect(await row()).toMatchObject({ weight }), { timeout: 120_000, interval: 10 })
  })

  test('that is left because the database is away is taken back while its message waits for a dependency', async () => {
    const { state, row, live } = await stepped(pool, () => { throw away() })
    state.refuses = /case when owner/ // to take it back
    const { processor } = live()
    await vi.waitFor(async () => expect(await row()).toMatchObject({ message: '4@-1', weight: 3 }), 120_000)
    state.refuses = undefined
    await vi.waitFor(async () => expect(await row()).toMatchObject({ message: '4@-1', weight: 0 }), 120_000)
    await processor.stop()
  })

  test('of a death is forgotten when its message is handled in the next life', async () => {
    let isKilled = true
    const partition = await stepped(pool, async () => { if (isKilled) await partition.die() })
    const { state, row, live } = partition
    live()
    await vi.waitFor(async () => expect(await row()).toMatchObject({ weight: 3 }), 120_000)
    isKilled = false
    live()
    await vi.waitFor(() => expect(state.committed).toBe(5), 120_000)
    expect(await row()).toMatchObject({ weight: 0, suspicion: 0 })
    expect(state.letters).toEqual([])
  })
})

test('a message that is suspected waits before it is handled, and those before it do not', async () => {
  const partition = await stepped(pool, async ({ id }) => {
    if (id === partition.ids[0]) throw away()
    if (id === partition.ids[1]) await partition.die()
  }, { random: () => 0.1 })
  const { state, ids, live } = partition
  live()
  await vi.waitFor(() => expect(state.handled).toEqual(ids.slice(0, 2)), 120_000)
  state.handled = []
  const { processor } = live()
  await vi.waitFor(() => expect(state.handled).toEqual(ids.slice(0, 1)), { timeout: 120_000, interval: 1 })
  const sinceMs = performance.now()
  await vi.waitFor(() => expect(state.handled).toContain(ids[1]), { timeout: 120_000, interval: 1 })
  expect(performance.now() - sinceMs).toBeGreaterThan(500) // of 1 s
  await processor.stop()
})
