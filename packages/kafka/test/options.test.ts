import rdkafka from 'node-rdkafka'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Consumer, KafkaError, Producer, type ClientState, type ConsumerOptions, type ProducerOptions } from '@pair/kafka'
import { consumerConfiguration, producerConfiguration } from '../dist/options.js'
import { loggerOf } from '../dist/logger.js'
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
  // A property of topics, which librdkafka ignores elsewhere.
  expect(producerConfiguration({ bootstrapBrokers: ['a:1'], 'compression.type': 'zstd', 'compression.level': 9 }).topic).toMatchObject({ 'compression.level': 9 })
})

test('reports of the binding, which tutorials switch on, are off: send tells more', () => {
  const { global } = producerConfiguration({ bootstrapBrokers: ['a:1'], dr_cb: true, dr_msg_cb: true, 'delivery.report.only.error': false })
  expect(global).not.toHaveProperty('dr_cb')
  expect(global).not.toHaveProperty('dr_msg_cb')
  expect(global).toHaveProperty(['delivery.report.only.error'], true)
})

test('the options of @fastify/kafka 4.0.0 are librdkafka\'s by other names', () => {
  const consumer = consumerConfiguration({
    bootstrapBrokers: ['a:1', { host: 'b', port: 2 }],
    clientId: 'me',
    groupId: 'us',
    maxWaitTime: 20,
    minBytes: 1,
    maxBytes: 2_000_000,
    maxBytesPerPartition: 3,
    allowAutoTopicCreation: true,
    autocommit: 250,
    sessionTimeout: 7000,
    heartbeatInterval: 700,
    rebalanceTimeout: 8000,
    groupInstanceId: 'one',
    isolationLevel: 0,
    fallbackMode: 'fail',
    timeout: 4000,
    connectTimeout: 3000,
    metadataMaxAge: 6000,
    retryDelay: 50,
    sasl: { mechanism: 'PLAIN', username: 'me', password: 'p' },
    tls: { ca: ['A', Buffer.from('B')], cert: 'C', key: 'K', passphrase: 'P', rejectUnauthorized: false }
  })
  expect(consumer).toMatchObject({
    autoCommit: true,
    topic: { 'auto.offset.reset': 'error' },
    global: {
      'metadata.broker.list': 'a:1,b:2',
      'client.id': 'me',
      'group.id': 'us',
      'fetch.wait.max.ms': 20,
      'fetch.min.bytes': 1,
      'fetch.max.bytes': 2_000_000,
      'max.partition.fetch.bytes': 3,
      'allow.auto.create.topics': true,
      'auto.commit.interval.ms': 250,
      'session.timeout.ms': 7000,
      'heartbeat.interval.ms': 700,
      'max.poll.interval.ms': 8000,
      'group.instance.id': 'one',
      'isolation.level': 'read_uncommitted',
      'socket.timeout.ms': 4000,
      'socket.connection.setup.timeout.ms': 3000,
      'topic.metadata.refresh.interval.ms': 6000,
      'retry.backoff.ms': 50,
      'security.protocol': 'sasl_ssl',
      'sasl.mechanism': 'PLAIN',
      'sasl.username': 'me',
      'sasl.password': 'p',
      'ssl.ca.pem': 'A\nB',
      'ssl.certificate.pem': 'C',
      'ssl.key.pem': 'K',
      'ssl.key.password': 'P',
      'enable.ssl.certificate.verification': false
    }
  })
  const producer = producerConfiguration({ bootstrapBrokers: 'a:1', idempotent: true, compression: 'lz4', retries: true, maxInflights: 4, acks: -1, sasl: null as never, tls: undefined })
  expect(producer.global).toMatchObject({ 'enable.idempotence': true, 'compression.type': 'lz4', retries: 2_147_483_647, 'max.in.flight': 4 })
  expect(producer.global).not.toHaveProperty(['security.protocol'])
})

test('what librdkafka knows wins over what 4.0.0\'s options imply', () => {
  expect(consumerConfiguration({ bootstrapBrokers: ['a:1'], groupId: 'us', tls: {}, 'security.protocol': 'plaintext' }).global).toMatchObject({ 'security.protocol': 'plaintext' })
  expect(consumerConfiguration({ bootstrapBrokers: ['a:1'], groupId: 'us', autocommit: false }).autoCommit).toBe(false)
})

test.each([
  [{ autocommit: true }, true], [{ autocommit: 'true' }, true], [{ autocommit: 100 }, true], [{ autocommit: false }, false], [{ autocommit: 'false' }, false], [{ autocommit: 0 }, false], [{}, false]
])('%o commits what is handed out: %s', (options, expected) => {
  expect(consumerConfiguration({ bootstrapBrokers: ['a:1'], groupId: 'us', ...options as ConsumerOptions }).autoCommit).toBe(expected)
})

test.each<ConsumerOptions>([
  { groupProtocol: 'consumer' }, { maxBytes: 1000 }, { sessionTimeout: 6000, rebalanceTimeout: 7000 }, { connectTimeout: 10, retryDelay: 0 }, { bootstrapBrokers: [{ host: '::1', port: 1 }] }, { isolationLevel: 1, minBytes: 1 }
])('a consumer with %o starts', async options => {
  vi.useRealTimers()
  const { states, logger } = quiet()
  const consumer = new Consumer({ bootstrapBrokers: ['127.0.0.1:1'], groupId: 'us', ...options, logger, onState: state => states.push(state) })
  await consumer.consume({ topics: ['t'] })
  expect(states.filter(({ type }) => type === 'fatal')).toEqual([])
  await consumer.close()
})

test.each<ProducerOptions>([{ maxInflights: 50 }, { retries: 0 }, { retries: false }, { retries: true, compression: 'gzip', idempotent: true }])('a producer with %o starts', async options => {
  vi.useRealTimers()
  const { states, logger } = quiet()
  const producer = new Producer({ bootstrapBrokers: ['127.0.0.1:1'], ...options, logger, onState: state => states.push(state) })
  const sent = producer.send({ messages: [{ topic: 't', value: 'x' }] }).catch((error: KafkaError) => error.codeName)
  await new Promise(resolve => setImmediate(resolve))
  await producer.close()
  expect([await sent, states.filter(({ type }) => type === 'fatal')]).toEqual(['ERR__DESTROY', []])
})

function quiet () {
  const nothing = () => {}
  return { states: [] as ClientState[], logger: { debug: nothing, info: nothing, warn: nothing, error: nothing } }
}

test('an option of 4.0.0 that means nothing here is a warning that says what does, and the client starts', () => {
  const lines: string[] = []
  const warn = (_details: object, text: string) => { lines.push(text) }
  const { global } = consumerConfiguration({
    bootstrapBrokers: ['a:1'], groupId: 'us', highWaterMark: 5, strict: true, tls: { servername: 'x' }, logger: { debug () {}, info () {}, warn, error: warn }
  } as ConsumerOptions)
  expect(lines).toEqual([
    'kafka: the option highWaterMark has no meaning: set queued.min.messages',
    'kafka: the option strict has no meaning: librdkafka always is',
    'kafka: the option tls.servername has no meaning: set one of librdkafka\'s properties ssl.*'
  ])
  expect(global).not.toHaveProperty('highWaterMark')
})

test.each(['http://a:1', ['a:1', 'kafka://b:2']])('a broker that is an address of something else is refused: %s', bootstrapBrokers => {
  expect(() => producerConfiguration({ bootstrapBrokers })).toThrow(/^A broker is host:port, without (http|kafka):\/\/$/)
})

test('a broker may be named with its protocol', () => {
  expect(producerConfiguration({ bootstrapBrokers: ['SASL_SSL://a:1', 'PLAINTEXT://b:2'] }).global).toMatchObject({ 'metadata.broker.list': 'SASL_SSL://a:1,PLAINTEXT://b:2' })
})

test('consuming without a topic is a warning', async () => {
  vi.useRealTimers()
  const lines: string[] = []
  const warn = (_details: object, text: string) => { lines.push(text) }
  const consumer = new Consumer({ bootstrapBrokers: ['127.0.0.1:1'], groupId: 'us', logger: { debug () {}, info () {}, warn, error: warn } })
  await consumer.consume({ topics: [] })
  await consumer.close()
  expect(lines).toContain('kafka: nothing is read, because nothing was subscribed to before: call subscribe first, once, with all topics')
})

test('without a logger it is a warning of the process, once', async () => {
  const warnings: Error[] = []
  const note = (warning: Error) => { warnings.push(warning) }
  process.on('warning', note)
  for (let round = 0; round < 3; round++) consumerConfiguration({ bootstrapBrokers: ['a:1'], groupId: 'us', ownerId: 5 } as ConsumerOptions)
  vi.useRealTimers()
  await new Promise(resolve => setImmediate(resolve))
  process.off('warning', note)
  expect(warnings).toEqual([expect.objectContaining({ name: 'KafkaWarning', message: 'kafka: the option ownerId has no meaning: nothing reads it' })])
})

test.each([
  ['sasl', { mechanism: 'PLAIN', password: () => 'p' }, /^sasl: librdkafka takes no function for sasl\.password$/],
  ['retryDelay', () => 5, /^retryDelay: librdkafka takes no function for retry\.backoff\.ms$/],
  ['tls', { key: [{ pem: 'K', passphrase: 'p' }] }, /^tls: librdkafka takes no object for ssl\.key\.pem$/],
  ['partitioner', () => 0, /^partitioner: librdkafka takes no function for partitioner$/]
])('a function where librdkafka wants a value is refused: %s', (name, value, text) => {
  expect(() => new Producer({ bootstrapBrokers: ['a:1'], [name]: value })).toThrow(expect.objectContaining({ codeName: 'ERR__INVALID_ARG', message: expect.stringMatching(text) }))
})

test('only what was committed by a handler is committed, whatever enable.auto.commit says', () => {
  const { global } = consumerConfiguration({ bootstrapBrokers: ['a:1'], groupId: 'us', 'enable.auto.commit': false })
  expect(global).toMatchObject({ 'enable.auto.commit': true, 'enable.auto.offset.store': false })
})

test.each([[true, true], ['true', true], ['TRUE', true], [1, true], ['t', true], [false, false], ['false', false], [0, false], [undefined, false]])('enable.auto.commit %s, in any of librdkafka\'s words, is %s', (value, expected) => {
  expect(consumerConfiguration({ bootstrapBrokers: ['a:1'], groupId: 'us', ...value !== undefined && { 'enable.auto.commit': value as boolean } }).autoCommit).toBe(expected)
})

test('without a logger the same fault of another topic is another warning', async () => {
  const warnings: Array<Error & { detail?: string }> = []
  const note = (warning: Error) => { warnings.push(warning) }
  process.on('warning', note)
  for (const topic of ['one', 'two', 'two']) loggerOf({ bootstrapBrokers: ['a:1'] }).warn({ topic }, 'kafka: a fault of a topic')
  vi.useRealTimers()
  await new Promise(resolve => setImmediate(resolve))
  process.off('warning', note)
  expect(warnings.map(({ detail }) => detail)).toEqual(['{"topic":"one"}', '{"topic":"two"}'])
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
  expect(redactor({ sasl: { password: 'p@ss' }, tls: { passphrase: 'key-secret' } })('p@ss, key-secret')).toBe('***, ***')
})
