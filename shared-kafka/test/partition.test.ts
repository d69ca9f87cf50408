import { expect, test } from 'vitest'
import { Partition } from '../dist/partition.js'

function handOut (partition: Partition, offsets: number[]) {
  for (const offset of offsets) {
    partition.push({ topic: 't', partition: 0, offset, key: null, value: null, headers: [], timestamp: 0, release: () => partition.release(offset) })
  }
  return offsets.map(() => partition.take())
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
  partition.push({ topic: 't', partition: 0, offset: 1, key: null, value: null, headers: [], timestamp: 0, release () {} })
  partition.leave()
  expect(partition.take()).toBeUndefined()
})
