import { KafkaError, provisionTopics, type ClusterMetadata } from '@pair/kafka'
import { afterEach, expect, test, vi } from 'vitest'
import { Admin } from '../dist/admin.js'

// Against an Admin whose answers are given: a broker under load gives them rarely, and in no order that a test can choose.

afterEach(() => vi.restoreAllMocks())

const topic = { name: 'orders', partitions: 4 }

/** Answers of `createTopics`, one for each call, and whether the topic is listed, one for each question. */
async function provide (creations: Array<string | undefined>, isListed: boolean[]) {
  vi.spyOn(Admin.prototype, 'createTopics').mockImplementation(async () => {
    const codeName = creations.shift()
    if (codeName !== undefined) throw new KafkaError(codeName, codeName)
  })
  vi.spyOn(Admin.prototype, 'metadata').mockImplementation(async () => {
    const topics: ClusterMetadata['topics'] = new Map()
    if (isListed.shift() === true) topics.set(topic.name, { partitions: [], partitionsCount: topic.partitions })
    return { brokers: new Map(), topics }
  })
  const lines: string[] = []
  const note = (_details: object, text: string) => { lines.push(text) }
  await provisionTopics({ bootstrapBrokers: 'a:1' }, [topic], { logger: { debug: note, info: note, warn: note, error: note } })
  return lines
}

test('a topic whose creation is answered late is logged as created, once', async () => {
  expect(await provide(['ERR__TIMED_OUT'], [false, false, false, true])).toEqual(['kafka: topic created'])
  expect(await provide(['ERR__TIMED_OUT'], [false, true])).toEqual(['kafka: topic created'])
  expect(await provide(['ERR__TIMED_OUT', 'ERR_TOPIC_ALREADY_EXISTS'], [])).toEqual(['kafka: topic created'])
})

test('a topic that another client created is not logged', async () => {
  expect(await provide([], [true])).toEqual([])
  expect(await provide(['ERR_TOPIC_ALREADY_EXISTS'], [])).toEqual([])
})
