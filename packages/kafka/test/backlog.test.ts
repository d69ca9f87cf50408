import { beforeEach, expect, test, vi } from 'vitest'
import { Backlog } from '../dist/backlog.js'
import type { Pending } from '../dist/in-flight.js'

beforeEach(() => {
  vi.useFakeTimers()
  return () => vi.useRealTimers()
})

const message = (value: string): Pending => ({ message: { topic: 't', value }, resolve () {}, reject () {} })

/** A backlog whose groups can be looked at; `hold` and `room` are its surroundings. */
function newBacklog () {
  const groups: string[][] = []
  const around = { hold: false, room: Infinity, idle: false }
  const backlog = new Backlog(1000, {
    isHeld: () => around.hold,
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

test('what comes in one turn of the event loop goes together, in its order', async () => {
  const { backlog, groups } = newBacklog()
  for (const value of ['a', 'b', 'c']) backlog.push(message(value))
  await vi.advanceTimersByTimeAsync(0)
  backlog.push(message('d'))
  await vi.advanceTimersByTimeAsync(0)
  expect(groups()).toEqual([['a', 'b', 'c'], ['d']])
})

test('what is held goes as soon as it is worth no more waiting', async () => {
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

test('what is held goes after 10 ms at the latest', async () => {
  const { backlog, around, groups } = newBacklog()
  around.hold = true
  backlog.push(message('a'))
  await vi.advanceTimersByTimeAsync(8)
  backlog.push(message('b'))
  await vi.advanceTimersByTimeAsync(3)
  expect(groups()).toEqual([['a', 'b']])
})

test('each group that is held has its own 10 ms', async () => {
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

test('what finds no room stays first', async () => {
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

test('what is behind a message that never finds room goes when that one has waited for too long', async () => {
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

test('where nothing is in flight and there is no room yet, it is looked for again', async () => {
  const { backlog, around, groups } = newBacklog()
  Object.assign(around, { room: 0, idle: true })
  backlog.push(message('a'))
  await vi.advanceTimersByTimeAsync(1)
  around.room = Infinity
  await vi.advanceTimersByTimeAsync(10)
  expect(groups()).toEqual([['a']])
})
