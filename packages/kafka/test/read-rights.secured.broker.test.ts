import { Consumer, type ClientOptions } from '@pair/kafka'
import { expect, onTestFinished, test, vi } from 'vitest'
import { newName } from '../../../test/fixtures/records.js'
import { give, newScramUser, noSecuredKafka, take, type Right } from '../../../test/fixtures/secured-kafka.js'
import { deadline, listen, newTopic } from './told.js'

// Real rights, given and taken: the embedded broker has none.
const secured = test.skipIf(noSecuredKafka)
const named = (name: string) => noSecuredKafka ? `${name} (${noSecuredKafka})` : name

/** A consumer of a user's, which commits whatever it gets. */
async function newConsumer (options: ClientOptions, topics: string[]) {
  const heard = listen()
  const group = newName('rights')
  const messages: string[] = []
  let seconds = 0
  const consumer = new Consumer({
    ...options, ...heard.options, groupId: group, 'auto.offset.reset': 'earliest', 'topic.metadata.refresh.interval.ms': 1000, 'session.timeout.ms': 6000, onStatistics: () => { seconds++ }
  })
  onTestFinished(() => consumer.close())
  const read = async () => {
    for await (const message of await consumer.consume({ topics })) {
      messages.push(`${message.topic} ${message.offset}`)
      await consumer.commit({ offsets: [message] })
    }
  }
  return { ...heard, group, messages, read, seconds: () => seconds }
}

const refusedLine = 'kafka: refused, a right is missing'

secured(named('a consumer that may not read its topic says so within 15 s, again and again, until it may'), async () => {
  const topic = await newTopic()
  const { name, options } = await newScramUser()
  const { group, messages, read, rights, lines, has } = await newConsumer(options, [topic])
  const right: Right = { user: name, operation: 'read', on: 'topic', name: topic }
  await give({ user: name, operation: 'read', on: 'group', name: group }, { user: name, operation: 'describe', on: 'topic', name: topic })
  read()
  await has({ type: 'refused', error: expect.objectContaining({ codeName: 'ERR_TOPIC_AUTHORIZATION_FAILED' }) })
  await has({ type: 'assigned' })
  await give(right)
  await vi.waitFor(() => expect(messages).toEqual([`${topic} 0`]), deadline)
  await vi.waitFor(() => expect(rights()).toEqual({ type: 'allowed' }), deadline)

  await take(right)
  await vi.waitFor(() => expect(rights()).toMatchObject({ type: 'refused' }), { timeout: 45_000 })
  await vi.waitFor(() => expect(lines.filter(({ text }) => text === refusedLine)).toHaveLength(2), deadline) // 10 s after the first one
  expect(rights()).toMatchObject({ type: 'refused' })
  await give(right)
  await vi.waitFor(() => expect(rights()).toEqual({ type: 'allowed' }), deadline)
  expect(lines.filter(({ text }) => text === 'kafka: error while consuming')).toEqual([])
})

secured(named('a consumer whose group may not be read says so within 15 s, until it may'), async () => {
  const topic = await newTopic()
  const { name, options } = await newScramUser()
  const { group, messages, read, rights, has } = await newConsumer(options, [topic])
  const right: Right = { user: name, operation: 'read', on: 'group', name: group }
  await give({ user: name, operation: 'read', on: 'topic', name: topic })
  read()
  await has({ type: 'refused', error: expect.objectContaining({ codeName: 'ERR_GROUP_AUTHORIZATION_FAILED' }) })
  await give(right)
  await vi.waitFor(() => expect(messages).toHaveLength(1), deadline)
  await vi.waitFor(() => expect(rights()).toEqual({ type: 'allowed' }), deadline)
  await take(right)
  await vi.waitFor(() => expect(rights()).toMatchObject({ type: 'refused' }), { timeout: 45_000 })
  await give(right)
  await vi.waitFor(() => expect(rights()).toEqual({ type: 'allowed' }), deadline)
})

secured(named('of two topics one that may not even be seen is refused, while the other one is read'), async () => {
  const [seen, hidden] = [await newTopic(), await newTopic()]
  const { name, options } = await newScramUser()
  const { group, messages, read, rights, seconds } = await newConsumer(options, [seen, hidden])
  await give({ user: name, operation: 'read', on: 'group', name: group }, { user: name, operation: 'read', on: 'topic', name: seen })
  read()
  await vi.waitFor(() => expect(messages).toEqual([`${seen} 0`]), deadline)
  const since = seconds()
  await vi.waitFor(() => expect(seconds()).toBeGreaterThan(since + 4), deadline)
  expect(rights()).toMatchObject({ type: 'refused', error: { codeName: 'ERR_TOPIC_AUTHORIZATION_FAILED' } })
  await give({ user: name, operation: 'read', on: 'topic', name: hidden })
  await vi.waitFor(() => expect(messages).toEqual([`${seen} 0`, `${hidden} 0`]), deadline)
  await vi.waitFor(() => expect(rights()).toEqual({ type: 'allowed' }), deadline)
})
