import kafka from '@fastify/kafka'
import Fastify, { type FastifyInstance } from 'fastify'
import { createRequire } from 'node:module'
import rdkafka from 'node-rdkafka'
import { Consumer, Producer, type ClientOptions, type ClientState, type Message } from '@pair/kafka'
import type {} from '@pair/kafka/fastify'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { NativeHandle } from '../dist/native.js'
import { committed, newName, read } from '../../../test/fixtures/records.js'

const deadline = { timeout: 120_000, interval: 20 }

async function newApp (group = newName('group'), onState?: ClientOptions['onState']): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(kafka, {
    producer: { 'metadata.broker.list': inject('kafkaBrokers'), dr_cb: true },
    producerTopicConf: { 'message.timeout.ms': 10_000 },
    consumerTopicConf: { 'auto.offset.reset': 'earliest' },
    consumer: {
      'metadata.broker.list': inject('kafkaBrokers'), 'group.id': group, 'fetch.wait.max.ms': 10, 'session.timeout.ms': 3000, 'heartbeat.interval.ms': 300, onState
    }
  })
  onTestFinished(async () => { await app.close() })
  return app
}

const hold = (app: FastifyInstance, topic: string) => {
  const messages: Message[] = []
  const commits: Array<() => void> = []
  app.kafka.subscribe(topic)
  app.kafka.on(topic, (message, commit) => { messages.push(message); commits.push(commit) })
  app.kafka.consume()
  return { messages, commits }
}

test('@fastify/kafka loads this client, and what it pushes goes over the wire through librdkafka', async () => {
  const plugin = createRequire(createRequire(import.meta.url).resolve('@fastify/kafka'))
  expect(plugin('@platformatic/kafka')).toMatchObject({ Producer, Consumer })

  const send = vi.spyOn(NativeHandle.prototype, 'send')
  const produce = vi.spyOn(rdkafka.Producer.prototype, 'produce')
  onTestFinished(() => { send.mockRestore(); produce.mockRestore() })
  const topic = newName('wire')
  const app = await newApp()
  await app.kafka.push({ topic, key: 'k', payload: 'v', partition: 0 })
  expect(send).toHaveBeenCalledOnce()
  expect(produce).not.toHaveBeenCalled()
  expect(await read(topic, 1)).toMatchObject([{ key: Buffer.from('k'), value: Buffer.from('v'), partition: 0 }])
})

test('push rejects with the client\'s error, and without an error listener the process goes on', async () => {
  const app = await newApp()
  await expect(app.kafka.push({ topic: newName('large'), payload: 'x'.repeat(2_000_000) })).rejects.toMatchObject({ codeName: 'ERR_MSG_SIZE_TOO_LARGE' })
})

test('commit() through the plugin commits behind the message, not before it', async () => {
  const topic = newName('commit')
  const group = newName('group')
  const app = await newApp(group)
  for (const payload of ['a', 'b', 'c']) await app.kafka.push({ topic, payload, partition: 0 })
  const { messages, commits } = hold(app, topic)
  await vi.waitFor(() => expect(messages).toHaveLength(3), deadline)
  for (const index of [1, 0, 0]) commits[index]?.()
  await vi.waitFor(async () => expect(await committed(group, topic)).toBe(2), deadline)
  await app.close()

  const again = await newApp(group)
  const { messages: rest } = hold(again, topic)
  await vi.waitFor(() => expect(rest.map(({ offset }) => offset)).toEqual([2]), deadline)
})

test('batch mode answers, and commits nothing', async () => {
  const topic = newName('batch')
  const group = newName('group')
  const app = await newApp(group)
  for (const payload of ['a', 'b']) await app.kafka.push({ topic, payload, partition: 0 })
  app.kafka.subscribe(topic)
  const messages = await vi.waitFor(() => new Promise((resolve, reject) => {
    app.kafka.consume(2, (error, messages) => error ? reject(error) : resolve(messages))
  }), { timeout: 120_000, interval: 0 })
  expect(messages).toMatchObject([{ offset: 0 }, { offset: 1 }])
  await app.close()
  expect(await committed(group, topic)).toBeLessThan(0)
})

test('batch mode beside the flow does not end it', async () => {
  const topic = newName('beside')
  const app = await newApp(newName('group'))
  let heard = 0
  app.kafka.subscribe(topic)
  app.kafka.on(topic, (_message, commit) => { heard++; commit() })
  app.kafka.consume()
  const push = () => app.kafka.push({ topic, payload: 'v', partition: 0 })
  await push()
  await vi.waitFor(() => expect(heard).toBe(1), deadline)
  let batch: unknown[] = []
  app.kafka.consume(1, (_error, messages) => { batch = messages })
  await vi.waitFor(async () => {
    await push()
    expect(batch).toHaveLength(1)
  }, deadline)
  const before = heard
  await push()
  await vi.waitFor(() => expect(heard).toBeGreaterThan(before), deadline)
})

test('a topic that is subscribed and has no listener is named in the state, and stops no other topic', async () => {
  const [topic, unheard] = [newName('heard'), newName('unheard')]
  const states: ClientState[] = []
  const app = await newApp(undefined, state => states.push(state))
  const send = (topic: string, count: number) => Promise.all(Array.from({ length: count }, () => app.kafka.push({ topic, payload: 'v' })))
  await send(unheard, 2000)
  await send(topic, 1)
  let heard = 0
  app.kafka.subscribe([topic, unheard])
  app.kafka.on(topic, (_message, commit) => { heard++; commit() })
  app.kafka.consume()
  await vi.waitFor(() => expect(states).toContainEqual({ type: 'unhandled', topics: [unheard] }), deadline)
  await send(topic, 1000)
  await vi.waitFor(() => expect(heard).toBe(1001), deadline)
})
