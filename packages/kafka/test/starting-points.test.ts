import { beforeEach, afterEach, expect, test, vi } from 'vitest'
import { StartingPoints } from '../dist/starting-points.js'

// Against a table of answers, including those that a real broker gives rarely.

interface Log { low: number, high: number, committed?: number, isRefused?: boolean }

const lines: string[] = []
const line = (_details: object, text: string) => { lines.push(text) }
const logger = { debug: line, info: line, warn: line, error: line }

function newBroker (logs: Record<string, Log[]>) {
  const broker = {
    logs,
    brokers: [{ id: 1 }],
    failures: { metadata: 0, committed: 0, offsets: 0 },
    limits: [] as number[],
    consumer: {
      metadata: async ({ timeout }: { timeout: number }) => {
        broker.limits.push(timeout)
        if (broker.failures.metadata-- > 0) throw new Error('timed out')
        return { brokers: broker.brokers, topics: Object.entries(broker.logs).map(([name, logs]) => ({ name, partitions: logs.map((_log, id) => ({ id })) })) }
      },
      handle: {
        committed: (asked: Array<{ topic: string, partition: number }>, _limitMs: number, done: (error: unknown, answer?: unknown) => void) => {
          if (broker.failures.committed-- > 0) return done({ code: -185, message: 'timed out' })
          // As node-rdkafka does it, an error stands in the place of what was refused.
          done(null, asked.map(({ topic, partition }) => broker.logs[topic]![partition]!.isRefused ? new Error('refused') : { topic, partition, offset: broker.logs[topic]![partition]!.committed ?? -1001 }))
        },
        offsetsForTimes: (asked: Array<{ topic: string, partition: number, offset: number }>, _limitMs: number, done: (error: unknown, answer?: unknown) => void) => {
          if (broker.failures.offsets-- > 0) return done({ code: -185, message: 'timed out' })
          done(null, asked.map(({ topic, partition, offset }) => ({ topic, partition, offset: broker.logs[topic]![partition]![offset === -2 ? 'low' : 'high'] })))
        }
      }
    }
  }
  return broker
}

const asked = (broker: ReturnType<typeof newBroker>) => broker.consumer as never
const never = () => false

beforeEach(() => { vi.useFakeTimers({ shouldAdvanceTime: true, advanceTimeDelta: 500 }); lines.length = 0 })
afterEach(() => { vi.useRealTimers() })

test('starting points are the noted end, or the beginning of a new partition; committed and chosen offsets are kept', async () => {
  const broker = newBroker({ t: [{ low: 0, high: 5 }, { low: 0, high: 7, committed: 3 }] })
  const points = new StartingPoints(logger)
  await points.note(asked(broker), ['t', 'later'], never)
  broker.logs.t![0]!.high = 9
  broker.logs.t!.push({ low: 2, high: 4 })
  broker.logs.later = [{ low: 0, high: 1 }]
  const all = [0, 1, 2].map(partition => ({ topic: 't', partition }))
  expect(await points.of(asked(broker), [...all, { topic: 'later', partition: 0 }, { topic: 't', partition: 0, offset: 1 }], never)).toEqual([
    { topic: 't', partition: 0, offset: 5 }, { topic: 't', partition: 2, offset: 2 }, { topic: 'later', partition: 0, offset: 0 }
  ])
})

test('removed records are skipped, and a recreated topic is read from its beginning', async () => {
  const broker = newBroker({ shortened: [{ low: 0, high: 5 }], anew: [{ low: 0, high: 100 }] })
  const points = new StartingPoints(logger)
  await points.note(asked(broker), ['shortened', 'anew'], never)
  Object.assign(broker.logs, { shortened: [{ low: 8, high: 9 }], anew: [{ low: 0, high: 3 }] })
  expect(await points.of(asked(broker), [{ topic: 'shortened', partition: 0 }, { topic: 'anew', partition: 0 }], never)).toEqual([
    { topic: 'shortened', partition: 0, offset: 8 }, { topic: 'anew', partition: 0, offset: 0 }
  ])
})

test('where it was refused, for a partition or a topic, librdkafka decides', async () => {
  const broker = newBroker({ t: [{ low: 0, high: 5, isRefused: true }, { low: 0, high: 5 }] })
  const points = new StartingPoints(logger)
  await points.note(asked(broker), ['t', 'hidden'], never)
  points.refused('hidden')
  broker.logs.hidden = [{ low: 0, high: 1000 }]
  expect(await points.of(asked(broker), [{ topic: 't', partition: 0 }, { topic: 't', partition: 1 }, { topic: 'hidden', partition: 0 }], never)).toEqual([{ topic: 't', partition: 1, offset: 5 }])
})

test('an unanswered request is repeated with a longer limit, and logged', async () => {
  const broker = newBroker({ t: [{ low: 0, high: 5 }] })
  Object.assign(broker.failures, { metadata: 5, offsets: 2 })
  const points = new StartingPoints(logger)
  await points.note(asked(broker), ['t'], never)
  expect(broker.limits).toEqual([1000, 2000, 4000, 8000, 8000, 8000])
  expect(lines).toEqual(['kafka: the broker does not answer where the topics end, from where a new group is to read'])
  broker.failures.committed = 2
  broker.logs.t![0]!.high = 6
  expect(await points.of(asked(broker), [{ topic: 't', partition: 0 }], never)).toEqual([{ topic: 't', partition: 0, offset: 5 }])
})

test('a response without brokers does not count as an answer', async () => {
  const broker = newBroker({})
  broker.brokers = []
  const points = new StartingPoints(logger)
  const noted = points.note(asked(broker), ['t'], never)
  await vi.waitFor(() => expect(broker.limits.length).toBeGreaterThan(1), { timeout: 60_000 })
  Object.assign(broker, { brokers: [{ id: 1 }], logs: { t: [{ low: 0, high: 5 }] } })
  await noted
  expect(await points.of(asked(broker), [{ topic: 't', partition: 0 }], never)).toEqual([{ topic: 't', partition: 0, offset: 5 }])
})

test('requests for offsets without an answer do not delay the assignment without end', async () => {
  const broker = newBroker({ t: [{ low: 0, high: 5 }] })
  broker.failures.offsets = 100
  const points = new StartingPoints(logger)
  await points.note(asked(broker), ['t'], never)
  expect(await points.of(asked(broker), [{ topic: 't', partition: 0 }], never)).toEqual([])
  Object.assign(broker.failures, { offsets: 0, committed: 100 })
  expect(await points.of(asked(broker), [{ topic: 't', partition: 0 }], never)).toEqual([])
})

test('a new handle or subscription keeps the noted ends', async () => {
  const broker = newBroker({ t: [{ low: 0, high: 5 }], more: [{ low: 0, high: 2 }] })
  const points = new StartingPoints(logger)
  await points.note(asked(broker), ['t'], never)
  broker.logs.t = [{ low: 0, high: 8 }, { low: 0, high: 1 }]
  await points.note(asked(broker), ['t', 'more'], never)
  expect(await points.of(asked(broker), [{ topic: 't', partition: 0 }, { topic: 't', partition: 1 }, { topic: 'more', partition: 0 }], never)).toEqual([
    { topic: 't', partition: 0, offset: 5 }, { topic: 't', partition: 1, offset: 0 }, { topic: 'more', partition: 0, offset: 2 }
  ])
})

test('it ends with its consumer', async () => {
  const broker = newBroker({ t: [{ low: 0, high: 5 }] })
  broker.failures.metadata = 1000
  let isClosed = false
  const noted = new StartingPoints(logger).note(asked(broker), ['t'], () => isClosed)
  await vi.waitFor(() => expect(broker.limits.length).toBeGreaterThan(1), { timeout: 60_000 })
  isClosed = true
  await noted
})
