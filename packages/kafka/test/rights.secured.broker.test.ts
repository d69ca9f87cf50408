import { Consumer, Producer, provisionTopics, type ClientOptions, type KafkaError } from '@pair/kafka'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { newName } from '../../../test/fixtures/records.js'
import { give, newScramUser, noSecuredKafka, take, type Right } from '../../../test/fixtures/secured-kafka.js'
import { deadline, listen, newTopic } from './told.js'

// Real rights, given and taken: the embedded broker has none.
const secured = test.skipIf(noSecuredKafka)
const named = (name: string) => noSecuredKafka ? `${name} (${noSecuredKafka})` : name

const failure = (promise: Promise<unknown>) => promise.then(() => undefined, (error: KafkaError) => error)

function newProducer (options: ClientOptions) {
  const heard = listen()
  const producer = new Producer({ ...options, ...heard.options, 'topic.metadata.refresh.interval.ms': 1000 })
  onTestFinished(() => producer.close())
  return { ...heard, producer, send: (topic: string) => producer.send({ messages: [{ topic, partition: 0, value: 'x' }] }) }
}

secured(named('a producer without the right to write sends what waits within seconds after the right is given'), async () => {
  const topic = await newTopic()
  const { name, options } = await newScramUser()
  await give({ user: name, operation: 'describe', on: 'topic', name: topic })
  const { send, states, lines, rights, has } = newProducer(options)
  await has({ type: 'refused', error: expect.objectContaining({ codeName: 'ERR_CLUSTER_AUTHORIZATION_FAILED', message: expect.stringContaining('Failed to acquire idempotence PID') }) })
  const waiting = failure(send(topic))
  await vi.waitFor(() => expect(lines.filter(({ text }) => text === 'kafka: producer replaced').map(({ afterMs }) => afterMs)).toEqual([1000, 2000]), deadline)

  await give({ user: name, operation: 'write', on: 'topic', name: topic })
  const given = performance.now()
  await waiting
  expect(await vi.waitFor(() => send(topic), deadline)).toMatchObject([{ topic }])
  expect(performance.now() - given).toBeLessThan(30_000)
  expect(rights()).toEqual({ type: 'allowed' })
  expect(states.filter(({ type }) => type === 'fatal')).toEqual([])
})

secured(named('a right to write that is taken away is refused, told once with its topic, and allowed again when it is given back'), async () => {
  const topic = await newTopic()
  const { name, options } = await newScramUser()
  const right: Right = { user: name, operation: 'write', on: 'topic', name: topic }
  await give(right)
  const { send, states, lines, rights } = newProducer(options)
  await send(topic)
  await take(right)
  await vi.waitFor(async () => expect(await failure(send(topic))).toMatchObject({ codeName: 'ERR_TOPIC_AUTHORIZATION_FAILED' }), deadline)
  for (let count = 0; count < 50; count++) await failure(send(topic))
  expect(rights()).toMatchObject({ type: 'refused', error: { codeName: 'ERR_TOPIC_AUTHORIZATION_FAILED' } })
  expect(states.filter(({ type }) => type === 'refused')).toHaveLength(1)
  expect(lines.filter(({ text, refused }) => text === 'kafka: refused, a right is missing' && refused === topic)).toHaveLength(1)
  await give(right)
  await vi.waitFor(() => send(topic), deadline)
  expect(rights()).toEqual({ type: 'allowed' })
})

secured(named('a member that another one with its group.instance.id has fenced ends with a fatal state that says so, once'), async () => {
  const topic = await newTopic()
  const group = newName('static')
  const options = { bootstrapBrokers: [inject('kafkaBrokers')], groupId: group, 'group.instance.id': 'one', 'session.timeout.ms': 6000, 'heartbeat.interval.ms': 500 }
  const [first, second] = [listen(), listen()]
  const consumer = new Consumer({ ...options, ...first.options })
  onTestFinished(() => consumer.close())
  const stream = await consumer.consume({ topics: [topic] })
  const ended = failure((async () => { for await (const message of stream) await consumer.commit({ offsets: [message] }) })())
  await first.has({ type: 'assigned' })
  const other = new Consumer({ ...options, ...second.options })
  onTestFinished(() => other.close())
  await other.consume({ topics: [topic] })
  await first.has({ type: 'fatal' })
  expect(await ended).toMatchObject({ codeName: 'ERR_FENCED_INSTANCE_ID' })
  expect(first.states.filter(({ type }) => type === 'fatal')).toMatchObject([{ error: { message: expect.stringContaining('Static consumer fenced') } }])
  expect(first.lines.filter(({ level, text }) => level === 'error' || text === 'kafka: error while consuming')).toEqual([])
  expect(second.states.map(({ type }) => type)).not.toContain('fatal')
})

secured(named('a right to create a topic that is given later is used, and its lack is one line'), async () => {
  const topic = newName('created')
  const { name, options } = await newScramUser()
  const { lines, options: { logger } } = listen()
  const stop = new AbortController()
  onTestFinished(() => stop.abort())
  const provisioned = provisionTopics(options, [{ name: topic, partitions: 3 }], { logger, signal: stop.signal })
  await vi.waitFor(() => expect(lines).toMatchObject([{ text: 'kafka: the topic cannot be created here, left to the broker', topic }]), deadline)
  await give({ user: name, operation: 'create', on: 'topic', name: topic }, { user: name, operation: 'describe', on: 'topic', name: topic })
  await provisioned
  expect(lines.map(({ text }) => text)).toEqual(['kafka: the topic cannot be created here, left to the broker', 'kafka: topic created'])
})
