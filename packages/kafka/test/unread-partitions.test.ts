import { expect, test } from 'vitest'
import { Partitions } from '../dist/partitions.js'
import type { Statistics } from '../dist/types.js'
import { UnreadPartitions } from '../dist/unread-partitions.js'

type State = Partial<Statistics['topics'][string]['partitions'][string]>

/** Partitions of one topic, and which of them are reassigned after this many equal statistics events. */
function setup (states: State[], joinState = 'steady') {
  const partitions = new Partitions()
  states.forEach((_state, partition) => partitions.add({ topic: 't', partition }))
  const unread = new UnreadPartitions()
  const statistics = () => structuredClone({ cgrp: { join_state: joinState }, topics: { t: { partitions: { ...states } } } }) as unknown as Statistics
  const check = (isCooperative: boolean) => unread.check(statistics(), partitions, isCooperative).map(({ partition }) => partition)
  return {
    partitions,
    after (seconds: number, isCooperative = true) {
      for (let second = 1; second < seconds; second++) expect(check(isCooperative)).toEqual([])
      return check(isCooperative)
    }
  }
}

test('a partition that is not fetched for 5 s is reassigned, with all that await offsets', () => {
  const { after } = setup([{ fetch_state: 'stopped', hi_offset: 5 }, { fetch_state: 'active', hi_offset: 0 }])
  expect(after(5)).toEqual([0, 1])
  expect(after(10)).toEqual([0, 1]) // an attempt that brought nothing is not repeated so soon
  expect(after(20)).toEqual([0, 1])
})

test('a partition that a late answer restarted for an earlier assignment is reassigned', () => {
  expect(setup([{ fetch_state: 'active', hi_offset: 0 }]).after(5)).toEqual([0])
})

test('a partition that returned a message, the end of its log or an error is left alone, and continues there in an eager assignment', () => {
  const states = Array(4).fill({ fetch_state: 'active', hi_offset: 9 })
  for (const isCooperative of [true, false]) {
    const { partitions, after } = setup(states)
    partitions.find('t', 0)?.push({ offset: 7 } as never, 1)
    partitions.find('t', 1)?.reachedEnd(3)
    partitions.find('t', 2)?.failedAt(4)
    partitions.find('t', 3)?.failedAt(-1)
    expect(after(5, isCooperative)).toEqual(isCooperative ? [3] : [0, 1, 2, 3])
    expect(partitions.all.map(({ next }) => next)).toEqual([8, 3, 4, undefined])
  }
})

test('a partition that skips aborted transactions is left alone', () => {
  let offset = 0
  const moving = { fetch_state: 'active', hi_offset: 900, rxmsgs: 0, get next_offset () { return offset } }
  const { after } = setup([moving])
  for (; offset < 300; offset += 10) expect(after(1)).toEqual([])
})

test('a partition whose messages do not arrive is reassigned, even if its offset moves', () => {
  let messages = 0
  const moving = { fetch_state: 'active', hi_offset: 900, get rxmsgs () { return messages }, get next_offset () { return messages } }
  const { after } = setup([moving])
  for (; messages < 4; messages++) expect(after(1)).toEqual([])
  expect(after(1)).toEqual([0])
})

test.each([
  ['where no answer has come yet', [{ fetch_state: 'active', hi_offset: -1001 }], 'steady'],
  ['where the broker refuses to read', [{ fetch_state: 'active', hi_offset: -1 }], 'steady'],
  ['where offsets are asked for', [{ fetch_state: 'offset-wait', hi_offset: 9 }], 'steady'],
  ['during a rebalance', [{ fetch_state: 'stopped', hi_offset: 9 }], 'wait-join']
])('nothing is reassigned %s', (_where, states, joinState) => {
  expect(setup(states, joinState).after(20)).toEqual([])
})
