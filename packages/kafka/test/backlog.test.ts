import { beforeEach, expect, test, vi } from 'vitest'
import { Backlog } from '../dist/backlog.js'
import type { Pending } from '../dist/in-flight.js'

beforeEach(() => {
  vi.useFakeTimers()
  return () => vi.useRealTimers()
})

const message = (value: string): Pending => ({ message: { topic: 't', value }, resolve () {}, reject () {} })

/** A backlog whose batches are recorded; `hold` and `room` control lingering and capacity. */
function newBacklog () {
  const groups: string[][] = []
  const around = { hold: false, room: Infinity, idle: false }
  const backlog = new Backlog(1000, {
    isLingering: () => around.hold,
    isIdle: () => around.idle,
    take: pendings => {
      const taken = pendings.slice(0, around.room)
      around.room -= taken.length
      groups.push(taken.map(({ message }) => String(message.value)))
      return taken.length
    }
  })
  return { backlog, around, groups: () => groups.filter(({ length }) => length > 0) }
}

test('messages of one turn of the event loop are handed over together, in order', async () => {
  const { backlog, groups } = newBacklog()
  for (const value of ['a', 'b', 'c']) backlog.push(message(value))
  await vi.advanceTimersByTimeAsync(0)
  backlog.push(message('d'))
  await vi.advanceTimersByTimeAsync(0)
  expect(groups()).toEqual([['a', 'b', 'c'], ['d']])
})

test('lingering messages are handed over as soon as waiting is no longer worthwhile', async () => {
  const { backlog, around, groups } = newBacklog()
  around.hold = true
  backlog.push(message('a'))
  await vi.advanceTimersByTimeAsync(5)
  backlog.push(message('b'))
  expect(groups()).toEqual([])
  around.hold = false
  backlog.wake()
  await vi.advanceTimersByTimeAsync(0)
  expect(groups()).toEqual([['a', 'b']])
})

test('messages linger for 10 ms at most', async () => {
  const { backlog, around, groups } = newBacklog()
  around.hold = true
  backlog.push(message('a'))
  await vi.advanceTimersByTimeAsync(8)
  backlog.push(message('b'))
  await vi.advanceTimersByTimeAsync(3)
  expect(groups()).toEqual([['a', 'b']])
})

test('each batch lingers for its own 10 ms', async () => {
  const { backlog, around, groups } = newBacklog()
  around.hold = true
  backlog.push(message('a'))
  await vi.advanceTimersByTimeAsync(5)
  around.hold = false
  backlog.wake()
  await vi.advanceTimersByTimeAsync(1)
  around.hold = true
  backlog.push(message('b'))
  await vi.advanceTimersByTimeAsync(7)
  expect(groups()).toEqual([['a']])
  await vi.advanceTimersByTimeAsync(5)
  expect(groups()).toEqual([['a'], ['b']])
})

test('messages that found no capacity stay first', async () => {
  const { backlog, around, groups } = newBacklog()
  around.room = 1
  for (const value of ['a', 'b', 'c']) backlog.push(message(value))
  await vi.advanceTimersByTimeAsync(0)
  expect(backlog.length).toBe(2)
  around.room = Infinity
  backlog.push(message('d'))
  await vi.advanceTimersByTimeAsync(0)
  expect(groups()).toEqual([['a'], ['b', 'c', 'd']])
})

test('messages behind one that never fits are handed over when it has timed out', async () => {
  const { backlog, around, groups } = newBacklog()
  around.room = 0
  for (const value of ['a', 'b']) {
    backlog.push(message(value))
    await vi.advanceTimersByTimeAsync(600)
  }
  around.room = Infinity
  backlog.expire()
  await vi.advanceTimersByTimeAsync(0)
  expect(groups()).toEqual([['b']])
})

test('with nothing in flight and no capacity, handing over is retried', async () => {
  const { backlog, around, groups } = newBacklog()
  Object.assign(around, { room: 0, idle: true })
  backlog.push(message('a'))
  await vi.advanceTimersByTimeAsync(1)
  around.room = Infinity
  await vi.advanceTimersByTimeAsync(10)
  expect(groups()).toEqual([['a']])
})
