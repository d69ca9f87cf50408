import rdkafka from 'node-rdkafka'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Consumer, KafkaError, Producer } from '@pair/kafka'
import { consumerConfiguration, producerConfiguration } from '../dist/options.js'
import { redactor } from '../dist/properties.js'

beforeEach(() => { vi.useFakeTimers() })
afterEach(() => { vi.useRealTimers() })

test('the names of librdkafka tutorials go where librdkafka hears them', () => {
  const { global, topic } = producerConfiguration({
    'metadata.broker.list': 'a:1,b:2', 'client.id': 'me', 'message.timeout.ms': 5000, 'request.required.acks': -1, 'linger.ms': 7
  })
  expect(global).toMatchObject({ 'metadata.broker.list': 'a:1,b:2', 'client.id': 'me', 'linger.ms': 7 })
  expect(topic).toMatchObject({ 'message.timeout.ms': 5000, acks: -1 })
  expect(global).not.toHaveProperty(['message.timeout.ms'])
})

test('reports of the binding, which tutorials switch on, are off: send tells more', () => {
  const { global } = producerConfiguration({ bootstrapBrokers: ['a:1'], dr_cb: true, dr_msg_cb: true, 'delivery.report.only.error': false })
  expect(global).not.toHaveProperty('dr_cb')
  expect(global).not.toHaveProperty('dr_msg_cb')
  expect(global).toHaveProperty(['delivery.report.only.error'], true)
})

test('the names of the plugin\'s README mean the same as librdkafka\'s', () => {
  const { global, autoCommit } = consumerConfiguration({
    bootstrapBrokers: ['a:1', 'b:2'], clientId: 'me', groupId: 'us', maxWaitTime: 20, allowAutoTopicCreation: true, autocommit: true
  })
  expect(global).toMatchObject({
    'metadata.broker.list': 'a:1,b:2', 'client.id': 'me', 'group.id': 'us', 'fetch.wait.max.ms': 20, 'allow.auto.create.topics': true
  })
  expect(autoCommit).toBe(true)
})

test('only what was committed by a handler is committed, whatever enable.auto.commit says', () => {
  const { global } = consumerConfiguration({ bootstrapBrokers: ['a:1'], groupId: 'us', 'enable.auto.commit': false })
  expect(global).toMatchObject({ 'enable.auto.commit': true, 'enable.auto.offset.store': false })
})

test('sends are idempotent and acknowledged by all replicas unless acks say otherwise', () => {
  expect(producerConfiguration({ bootstrapBrokers: ['a:1'] })).toMatchObject({ global: { 'enable.idempotence': true }, topic: { acks: 'all' } })
  const one = producerConfiguration({ bootstrapBrokers: ['a:1'], acks: 1 })
  expect(one.topic.acks).toBe(1)
  expect(one.global).not.toHaveProperty(['enable.idempotence'])
})

test('a connection that has fallen silent is given up after 30 s, unless told otherwise', () => {
  const options = { bootstrapBrokers: ['a:1'], groupId: 'us' }
  for (const configuration of [producerConfiguration, consumerConfiguration]) {
    expect(configuration(options).global).toMatchObject({ 'socket.timeout.ms': 30_000 })
    expect(configuration({ ...options, 'socket.timeout.ms': 5000 }).global).toMatchObject({ 'socket.timeout.ms': 5000 })
  }
})

test.each([
  ['an unknown property', { bootstrapBrokers: ['a:1'], groupId: 'us', 'no.such.thing': 1 }, /no\.such\.thing/],
  ['a bad value', { bootstrapBrokers: ['a:1'], groupId: 'us', 'socket.timeout.ms': 'soon' }, /socket\.timeout\.ms/],
  ['no broker', { groupId: 'us' }, /metadata\.broker\.list/]
])('%s throws from both constructors, naming the property, and leaves nothing running', (_what, options, text) => {
  for (const Client of [Producer, Consumer]) {
    const error = (() => { try { return new Client(options) } catch (cause) { return cause } })()
    expect(error).toMatchObject({ name: 'KafkaError', codeName: 'ERR__INVALID_ARG', retriable: false, message: expect.stringMatching(text) })
  }
  expect(vi.getTimerCount()).toBe(0)
})

test('a header for every message that the binding would mangle throws, and leaves nothing running', () => {
  expect(() => new Producer({ bootstrapBrokers: ['a:1'], headers: [{ h: 'a\0b' }] })).toThrow(expect.objectContaining({ codeName: 'ERR__INVALID_ARG' }))
  expect(vi.getTimerCount()).toBe(0)
})

test('a consumer without a group throws', () => {
  expect(() => new Consumer({ bootstrapBrokers: ['a:1'] })).toThrow(/group\.id/)
})

test.each([
  [{ code: -1, message: 'message timed out', stack: 'Error: Local: Message timed out' }, 'ERR__MSG_TIMED_OUT', true],
  [{ code: -1, message: 'message size too large', stack: 'Error: Broker: Message size too large' }, 'ERR_MSG_SIZE_TOO_LARGE', false],
  [{ code: 29, message: 'x' }, 'ERR_TOPIC_AUTHORIZATION_FAILED', true]
])('an error has librdkafka\'s code, its name and whether a retry makes sense: %o', (cause, codeName, retriable) => {
  expect(KafkaError.from(cause)).toMatchObject({ codeName, retriable, cause })
})

test('a failure is called permanent only where it is said of the record itself', () => {
  const permanent = Object.keys(rdkafka.CODES.ERRORS).filter(name => !new KafkaError(name, '').retriable)
  expect(permanent.sort()).toEqual(['ERR_INVALID_RECORD', 'ERR_MSG_SIZE_TOO_LARGE', 'ERR_RECORD_LIST_TOO_LARGE', 'ERR__INVALID_ARG'])
})

test('a secret of the options is replaced in a text that repeats it, such as a broker\'s answer', () => {
  const secrets = { 'sasl.password': 'p@ss', 'ssl.key.password': 'key-secret', 'sasl.oauthbearer.client.secret': 'client-secret', 'ssl.keystore.password': '' }
  const redact = redactor({ ...secrets, 'sasl.username': 'me' })
  expect(redact('me: p@ss, key-secret, client-secret')).toBe('me: ***, ***, ***')
})
