import { expect, test } from 'vitest'
import { Partitions } from '../dist/partitions.js'
import type { Statistics } from '../dist/types.js'
import { UnreadPartitions } from '../dist/unread-partitions.js'

type State = Partial<Statistics['topics'][string]['partitions'][string]>

/** Partitions of one topic, and which of them are asked for again after so many seconds of the same statistics. */
function setup (states: State[], joinState = 'steady') {
  const partitions = new Partitions()
  states.forEach((_state, partition) => partitions.add({ topic: 't', partition }))
  const unread = new UnreadPartitions()
  const statistics = { cgrp: { join_state: joinState }, topics: { t: { partitions: Object.fromEntries(states.entries()) } } } as unknown as Statistics
  const check = (isCooperative: boolean) => unread.check(statistics, partitions, isCooperative).map(({ partition }) => partition)
  return {
    partitions,
    after (seconds: number, isCooperative = true) {
      for (let second = 1; second < seconds; second++) expect(check(isCooperative)).toEqual([])
      return check(isCooperative)
    }
  }
}

test('what is not fetched for 5 s is asked for again, with all that was asked for together', () => {
  const { after } = setup([{ fetch_state: 'stopped', hi_offset: 5 }, { fetch_state: 'active', hi_offset: 0 }])
  expect(after(5)).toEqual([0, 1])
  expect(after(5)).toEqual([0, 1])
})

test('what is fetched for nobody, because an old answer has started it, is asked for again', () => {
  expect(setup([{ fetch_state: 'active', hi_offset: 0 }]).after(5)).toEqual([0])
})

test('what has brought a message, the end of its log or an error is left alone, and goes on there in an eager assignment', () => {
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

test.each([
  ['where no answer has come yet', [{ fetch_state: 'active', hi_offset: -1001 }], 'steady'],
  ['where the broker refuses to read', [{ fetch_state: 'active', hi_offset: -1 }], 'steady'],
  ['where offsets are asked for', [{ fetch_state: 'offset-wait', hi_offset: 9 }], 'steady'],
  ['during a rebalance', [{ fetch_state: 'stopped', hi_offset: 9 }], 'wait-join']
])('nothing is asked for again %s', (_where, states, joinState) => {
  expect(setup(states, joinState).after(20)).toEqual([])
})
