import { expect, test } from 'vitest'
import { Partition } from '../dist/partition.js'
import { Partitions } from '../dist/partitions.js'

const at = (offset: number, partition = 0) =>
  ({ topic: 't', partition, offset, key: null, value: null, headers: [], timestamp: 0, release () {} })

function handOut (partition: Partition, offsets: number[]) {
  for (const offset of offsets) partition.push({ ...at(offset), release: () => partition.release(offset) }, 0)
  return offsets.map(() => partition.take())
}

/** So many partitions, each with that many messages of that many bytes. */
function filled (count: number, messages: number, bytes = 0) {
  const partitions = new Partitions()
  for (const partition of range(0, count)) {
    partitions.add({ topic: 't', partition })
    for (const offset of range(0, messages)) partitions.find('t', partition)?.push(at(offset, partition), bytes)
  }
  return partitions
}

/** What is handed out until there is no more, by partition. */
function takeAll (partitions: Partitions) {
  const taken = new Map<number, number>()
  for (let next = partitions.take(); next; next = partitions.take()) taken.set(next.partition, (taken.get(next.partition) ?? 0) + 1)
  return [...taken.values()]
}

/** Pauses and resumes as it is said. */
function change (partitions: Partitions) {
  for (const partition of partitions.toChange) partition.paused = !partition.paused
  return partitions.all.filter(({ paused }) => paused).map(({ partition }) => partition)
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)

test('a commit never passes a message still in flight', () => {
  const partition = new Partition('t', 0)
  handOut(partition, [5, 6, 7])
  partition.commit(6)
  partition.commit(7)
  expect(partition.takeWatermark()).toBeUndefined()
  partition.commit(5)
  expect(partition.takeWatermark()).toEqual({ offset: 8, isFirst: true })
})

test('a cumulative commit counts for what was handed out before it, but for what was given up, and for nothing behind it', () => {
  const partition = new Partition('t', 0, true)
  handOut(partition, [5, 6, 7, 8, 9])
  expect(partition.commit(6)).toBe(true)
  expect(partition.takeWatermark()).toEqual({ offset: 7, isFirst: true })
  expect([partition.inFlight, partition.permits, partition.commit(5)]).toEqual([3, 3, false])
  partition.release(7)
  partition.commit(8)
  expect(partition.takeWatermark()).toBeUndefined()
})

test('offsets that are missing from the log (compacted, or of a transaction) are no gap', () => {
  const partition = new Partition('t', 0)
  handOut(partition, [1, 40, 41])
  for (const offset of [1, 40]) partition.commit(offset)
  expect(partition.takeWatermark()).toMatchObject({ offset: 41 })
})

test('a watermark is stored once', () => {
  const partition = new Partition('t', 0)
  handOut(partition, [1, 2])
  partition.commit(1)
  expect(partition.takeWatermark()).toMatchObject({ offset: 2 })
  expect(partition.takeWatermark()).toBeUndefined()
})

test('a commit of what is not in flight, or for the second time, changes nothing', () => {
  const partition = new Partition('t', 0)
  handOut(partition, [1, 2])
  expect(partition.commit(9)).toBe(false)
  expect(partition.commit(2)).toBe(true)
  expect(partition.commit(2)).toBe(false)
  expect(partition).toMatchObject({ inFlight: 1 })
})

test('a released message is not waited for, and nothing is committed past it', () => {
  const partition = new Partition('t', 0)
  const [first] = handOut(partition, [1, 2])
  first?.release()
  partition.commit(2)
  expect(partition.inFlight).toBe(0)
  expect(partition.takeWatermark()).toBeUndefined()
})

test('a partition goes at most 10,000 offsets past its oldest uncommitted message', () => {
  const partition = new Partition('t', 0)
  const taken = handOut(partition, range(0, 10_001))
  expect(taken.filter(Boolean)).toHaveLength(10_000)
  for (const offset of range(1, 10_000)) partition.commit(offset)
  expect(partition.isFarAhead).toBe(true)
  expect(partition.take()).toBeUndefined()
  partition.commit(0)
  expect(partition.isFarAhead).toBe(false)
  expect(partition.take()).toMatchObject({ offset: 10_000 })
})

test('a log that went back starts anew, without losing what is in flight before it', () => {
  const partition = new Partition('t', 0)
  handOut(partition, [3, 4, 5])
  handOut(partition, [4])
  expect(partition.inFlight).toBe(2)
  partition.commit(4)
  expect(partition.takeWatermark()).toBeUndefined()
  partition.commit(3)
  expect(partition.takeWatermark()).toMatchObject({ offset: 5 })
})

test('a watermark that may be below the broker\'s is told apart: the first one, and one after the log went back', () => {
  const partition = new Partition('t', 0)
  const isFirst = (offset: number) => {
    handOut(partition, [offset])
    partition.commit(offset)
    return partition.takeWatermark()?.isFirst
  }
  expect([7, 8, 3, 4].map(isFirst)).toEqual([true, false, true, false])
})

test('what was fetched of a partition that is given up is not handed out', () => {
  const partition = new Partition('t', 0)
  partition.push(at(1), 0)
  partition.leave()
  expect(partition.take()).toBeUndefined()
})

test('the end of a log that is no message is committed once every message before it is, and never sooner', () => {
  const partition = new Partition('t', 0)
  handOut(partition, [1, 2])
  partition.push(at(3), 0)
  partition.reachedEnd(7)
  partition.commit(1)
  partition.commit(2)
  expect(partition.takeWatermark()).toMatchObject({ offset: 3 }) // one is fetched and not handed out
  partition.take()
  expect(partition.takeWatermark()).toBeUndefined() // it is in flight
  partition.commit(3)
  expect(partition.takeWatermark()).toMatchObject({ offset: 7 })
  handOut(partition, [9])
  partition.commit(9)
  expect(partition.takeWatermark()).toMatchObject({ offset: 10 })
})

test('a log without a message of its own is passed to its end, an empty one is not', () => {
  const partition = new Partition('t', 0)
  partition.reachedEnd(0)
  expect(partition.takeWatermark()).toBeUndefined()
  partition.reachedEnd(3)
  expect(partition.takeWatermark()).toEqual({ offset: 3, isFirst: true })
})

test('an end does not pass a released message, what a partition that is given up has not handed out, or a log that went back', () => {
  const released = new Partition('t', 0)
  handOut(released, [1])[0]?.release()
  released.reachedEnd(5)
  expect(released.takeWatermark()).toBeUndefined()
  const leaving = new Partition('t', 0)
  leaving.push(at(1), 0)
  leaving.reachedEnd(5)
  leaving.leave()
  leaving.reachedEnd(5)
  expect(leaving.takeWatermark()).toBeUndefined()
  const back = new Partition('t', 0)
  back.reachedEnd(5)
  handOut(back, [1])
  back.commit(1)
  expect(back.takeWatermark()).toMatchObject({ offset: 2 })
})

test('at most 250 messages are out without a commit, and 32 MB, and one that is larger goes alone', () => {
  expect(takeAll(filled(1, 1000))).toEqual([250])
  expect(takeAll(filled(4, 1000)).reduce((sum, count) => sum + count)).toBe(250)
  expect(takeAll(filled(1, 100, 1024 * 1024))).toEqual([32])
  expect(takeAll(filled(1, 2, 40 * 1024 * 1024))).toEqual([1])
})

test('a partition that always has more does not keep the others waiting', () => {
  const partitions = filled(3, 500)
  const order: number[] = []
  for (let taken = 0; taken < 300; taken++) {
    const message = partitions.take()
    if (message === undefined) throw new Error('nothing is handed out')
    order.push(message.partition)
    partitions.find('t', message.partition)?.commit(message.offset)
  }
  expect([0, 1, 2].map(one => order.filter(partition => partition === one).length)).toEqual([100, 100, 100])
})

test.each([2, 4, 16, 100])('of %i partitions one that is held up leaves the others room to go on', count => {
  const partitions = filled(count, 0)
  for (const offset of range(0, 1000)) partitions.find('t', 0)?.push(at(offset), 0)
  expect(takeAll(partitions)[0]).toBeGreaterThan(100)
  for (const partition of range(1, count)) partitions.find('t', partition)?.push(at(0, partition), 0)
  expect(takeAll(partitions)).toEqual(range(1, count).map(() => 1))
})

test('what cannot be handed out is paused, with the next read of the others, and resumed when it holds little', () => {
  const partitions = filled(4, 0)
  const [busy] = partitions.all as [Partition]
  for (const offset of range(0, 800)) busy.push(at(offset), 0)
  takeAll(partitions)
  expect(partitions.hasCapacity).toBe(false)
  expect(change(partitions)).toEqual([0])
  expect(partitions.hasCapacity).toBe(true)
  expect(partitions.capacity.count).toBeGreaterThan(100)
  expect(partitions.isResumeDue).toBe(false)
  expect(change(partitions)).toEqual([0])
  while (busy.load > 0.1) {
    const message = busy.take()
    if (message) busy.commit(message.offset)
  }
  expect(partitions.isResumeDue).toBe(true)
  expect(change(partitions)).toEqual([])
  expect(partitions.isResumeDue).toBe(false)
})

test('with every partition held up, what is fetched stays bounded in number and in bytes', () => {
  for (const [bytes, limit] of [[10, 2000], [900_000, 20]] as const) {
    const partitions = filled(16, 0)
    let fetched = 0
    for (let read = 0; read < 10_000; read++) {
      const open = partitions.all.filter(({ paused }) => !paused)
      // A read finds messages of one partition as a rule, and the last of them may go beyond the bytes.
      const count = Math.min(partitions.capacity.count, Math.max(1, Math.ceil(partitions.capacity.bytes / bytes)))
      for (let found = 0; found < count && open.length > 0; found++) open[0]?.push(at(fetched++, open[0].partition), bytes)
      if (!partitions.hasCapacity) change(partitions)
    }
    expect(fetched).toBeLessThan(limit + 16)
  }
})
