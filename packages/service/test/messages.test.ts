import kafka from '@fastify/kafka'
import type { FastifyInstance } from 'fastify'
import { EventEmitter } from 'node:events'
import fp from 'fastify-plugin'
import { Consumer, Producer } from '@pair/kafka'
import type {} from '@pair/kafka/fastify'
import { admin, createApp, messages, metrics } from '@pair/service'
import { userRegister, userRegisterExample } from '@pair/shared-topics'
import { expect, onTestFinished, test, vi } from 'vitest'

test('a service that closes gives up what waits for another attempt, uncommitted, before its consumer is closed', async () => {
  const app = createApp('x', { LOG_LEVEL: 'silent' })
  const steps: string[] = []
  const kafka = new EventEmitter()
  await app.register(fp(async app => {
    app.decorate('kafka', { subscribe () {}, on: kafka.on.bind(kafka), consumer: kafka } as never)
    app.addHook('onClose', async () => { steps.push('consumer closed') })
  }, { name: '@fastify/kafka' }))
  await app.register(admin, { port: undefined })
  await app.register(metrics)
  await app.register(messages, { connection: { 'metadata.broker.list': '127.0.0.1:1' }, group: 'profile-service', onFatal () {} })

  const handle = vi.fn(async () => { throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' }) })
  app.messages.consume({ topic: userRegister, handle })
  const message = { topic: userRegister.name, partition: 0, offset: 0, key: null, headers: [], timestamp: 0, value: Buffer.from(JSON.stringify(userRegisterExample)) }
  kafka.emit(userRegister.name, { ...message, release: () => { steps.push('released') } }, () => { steps.push('committed') })
  await vi.waitFor(() => expect(handle).toHaveBeenCalled(), 60_000)

  await app.close()
  expect(steps).toEqual(['released', 'consumer closed'])
})

/** A service whose files do that with Kafka. */
async function service (...files: Array<(kafka: FastifyInstance['kafka']) => void>) {
  const app = createApp('x', { LOG_LEVEL: 'silent' })
  onTestFinished(() => app.close())
  await app.register(kafka, { consumer: { 'metadata.broker.list': '127.0.0.1:1', 'group.id': 'x' } })
  const consume = vi.spyOn(Consumer.prototype, 'consume')
  onTestFinished(() => consume.mockRestore())
  await app.register(admin, { port: undefined })
  await app.register(metrics)
  await app.register(messages, { connection: { 'metadata.broker.list': '127.0.0.1:1' }, group: 'x', onFatal () {} })
  for (const file of files) await app.register(async app => file(app.kafka))
  return { app, consume }
}

const listener = () => {}

test('consumers in several files are subscribed together', async () => {
  const { app, consume } = await service(kafka => { kafka.subscribe('a').on('a', listener) }, kafka => { kafka.subscribe(['b', 'c']); kafka.on('b', listener); kafka.on('c', listener) })
  await app.ready()
  app.kafka.consume()
  expect(consume.mock.calls).toMatchObject([[{ topics: ['a', 'b', 'c'] }]])
})

test.each<[string, string, (kafka: FastifyInstance['kafka']) => void]>([
  ['a topic that is subscribed and has no listener', 'subscribed, but without a listener: b', kafka => { kafka.subscribe(['a', 'b']); kafka.on('a', listener) }],
  ['a topic that has a listener and is not subscribed', 'with a listener, but not subscribed: b', kafka => { kafka.subscribe('a'); kafka.on('a', listener); kafka.on('b', listener) }]
])('%s ends the start with one line that names it', async (_what, line, file) => {
  const { app } = await service(file)
  await expect(app.ready()).rejects.toThrow(line)
})

test('a pattern may find topics later, of which those without a listener are known', async () => {
  const { app } = await service(kafka => { kafka.subscribe('^orders-.*'); kafka.on('orders-1', listener) })
  await app.ready()
  expect([app.messages.hasListener('orders-1'), app.messages.hasListener('orders-2')]).toEqual([true, false])
})

test('a dead letter of an event that was committed names its message and has its key, and neither its value nor its headers', async () => {
  const send = vi.spyOn(Producer.prototype, 'send').mockResolvedValue([] as never)
  onTestFinished(() => send.mockRestore())
  const { app } = await service()
  app.messages.consume({ topic: userRegister, handle () {} })
  const origin = { topic: userRegister.name, partition: 1, offset: 7, timestamp: 5, key: 'k' }
  const failure = { error: 'the mail server refuses the recipient', attempts: 2 }
  await app.messages.deadLetter(JSON.parse(JSON.stringify(origin)), failure)
  expect(send.mock.calls).toEqual([[{
    messages: [{
      topic: 'user_register.dlq',
      key: Buffer.from('k'),
      value: null,
      headers: [
        { 'dlq.reason': 'refused' }, { 'dlq.error': failure.error }, { 'dlq.attempts': '2' }, { 'dlq.group': 'x' },
        { 'dlq.topic': 'user_register' }, { 'dlq.partition': '1' }, { 'dlq.offset': '7' }, { 'dlq.timestamp': '5' }, { 'dlq.cut': 'value' }
      ]
    }]
  }]])
  expect(await app.metrics.registry.getSingleMetricAsString('dead_letters_total')).toContain('error_type="refused"} 1')
  await expect(app.messages.deadLetter({ ...origin, topic: 'other' }, failure)).rejects.toThrow('no consumer of the topic other')
})

test('a dead letter of an event that was committed is tried again until the broker takes it', async () => {
  const send = vi.spyOn(Producer.prototype, 'send').mockRejectedValueOnce(new Error('away')).mockRejectedValueOnce(new Error('away')).mockResolvedValue([] as never)
  onTestFinished(() => send.mockRestore())
  const { app } = await service()
  app.messages.consume({ topic: userRegister, handle () {} })
  await app.messages.deadLetter({ topic: userRegister.name, partition: 1, offset: 7, timestamp: 5, key: null }, { error: 'no', attempts: 1 })
  expect(send).toHaveBeenCalledTimes(3)
  expect(JSON.stringify(send.mock.calls.at(-1))).toContain('"dlq.cut":"value"')
})

test('a dead letter of an event that was committed is given up when the service stops', async () => {
  const send = vi.spyOn(Producer.prototype, 'send').mockRejectedValue(new Error('away'))
  onTestFinished(() => send.mockRestore())
  const { app } = await service()
  app.messages.consume({ topic: userRegister, handle () {} })
  const sent = app.messages.deadLetter({ topic: userRegister.name, partition: 1, offset: 7, timestamp: 5, key: null }, { error: 'no', attempts: 1 }).then(() => 'sent', () => 'given up')
  await vi.waitFor(() => expect(send).toHaveBeenCalled(), 60_000)
  await app.close()
  expect(await sent).toBe('given up')
})
