import { KafkaError } from './errors.js'

// The options of @fastify/kafka 4.0.0, which are those of @platformatic/kafka 1, as librdkafka properties.
// Source: the README, types and examples of 4.0.0; clients/*/types.d.ts and network/connection.d.ts of 1.35.

type Properties = Record<string, unknown>
type Given = Record<string, unknown>

const renamed: Record<string, string> = {
  clientId: 'client.id',
  groupId: 'group.id',
  allowAutoTopicCreation: 'allow.auto.create.topics',
  autocreateTopics: 'allow.auto.create.topics',
  timeout: 'socket.timeout.ms',
  requestTimeout: 'socket.timeout.ms',
  metadataMaxAge: 'topic.metadata.refresh.interval.ms',
  sessionTimeout: 'session.timeout.ms',
  heartbeatInterval: 'heartbeat.interval.ms',
  rebalanceTimeout: 'max.poll.interval.ms',
  groupProtocol: 'group.protocol',
  groupInstanceId: 'group.instance.id',
  groupRemoteAssignor: 'group.remote.assignor',
  minBytes: 'fetch.min.bytes',
  maxBytesPerPartition: 'max.partition.fetch.bytes',
  maxWaitTime: 'fetch.wait.max.ms',
  idempotent: 'enable.idempotence',
  compression: 'compression.type'
}

/** Options without a librdkafka property, and what to set or do instead. */
const withoutCounterpart: Record<string, string> = {
  beforeDeserialization: 'a listener gets bytes',
  beforeSerialization: 'push strings or bytes',
  context: 'nothing reads it',
  deserializers: 'a listener gets bytes',
  handleBackPressure: 'at most 250 messages are in flight',
  highWaterMark: 'set queued.min.messages',
  metrics: 'set onStatistics',
  mode: 'set auto.offset.reset, which applies to a group without commits',
  offsets: 'a group starts at its committed offsets',
  onCorruptedMessage: 'set check.crcs; an unreadable batch is reported as the state "unreadable"',
  ownerId: 'nothing reads it',
  partitionAssigner: 'set partition.assignment.strategy',
  protocols: 'set partition.assignment.strategy',
  registry: 'encode and decode in the application',
  repeatOnStaleMetadata: 'librdkafka always does',
  streamContext: 'nothing reads it',
  strict: 'librdkafka always is',
  tlsServerName: 'the name of the broker is sent, and checked where ssl.endpoint.identification.algorithm is https',
  transactionalId: 'there are no transactions'
}

const isolationLevels = ['read_uncommitted', 'read_committed']
const ofTls: Record<string, string> = { ca: 'ssl.ca.pem', cert: 'ssl.certificate.pem', key: 'ssl.key.pem', passphrase: 'ssl.key.password', ciphers: 'ssl.cipher.suites' }

/** Options whose value is converted too. */
const converted: Record<string, (value: never) => Properties> = {
  bootstrapBrokers: (brokers: Array<string | { host: string, port: number }> | string) => ({
    'metadata.broker.list': [brokers].flat().map(broker => typeof broker === 'string' ? broker : `${broker.host.includes(':') ? `[${broker.host}]` : broker.host}:${broker.port}`).join(',')
  }),
  autocommit: (value: boolean | number | string) => ({
    'enable.auto.commit': typeof value === 'number' ? value > 0 : String(value) === 'true', ...Number(value) > 1 && { 'auto.commit.interval.ms': value }
  }),
  // Clamped to librdkafka's ranges, for an idempotent producer.
  connectTimeout: within('socket.connection.setup.timeout.ms', 1000, Infinity),
  maxBytes: within('fetch.max.bytes', 1_000_000, Infinity),
  maxInflights: within('max.in.flight', 1, 5),
  retryDelay: within('retry.backoff.ms', 1, Infinity),
  partitioner: (name: unknown) => ({ partitioner: name }),
  retries: (value: boolean | number) => ({ retries: value === true ? 2_147_483_647 : Math.max(1, Number(value)) }),
  fallbackMode: (mode: string) => ({ 'auto.offset.reset': mode === 'fail' ? 'error' : mode }),
  isolationLevel: (level: number | string) => ({ 'isolation.level': isolationLevels[Number(level)] ?? level }),
  sasl: ({ mechanism, username, password }: Given) => Object.fromEntries(Object.entries({
    'sasl.mechanism': mechanism, 'sasl.username': username, 'sasl.password': password
  }).filter(([, value]) => value !== undefined)),
  tls: fromTls,
  ssl: fromTls
}

function within (property: string, least: number, most: number) {
  return (value: unknown) => ({ [property]: typeof value === 'number' ? Math.min(most, Math.max(least, value)) : value })
}

function fromTls (options: Given): Properties {
  const known = Object.entries(ofTls).filter(([name]) => options[name] !== undefined)
  return {
    ...Object.fromEntries(known.map(([name, property]) => [property, toPem(options[name])])),
    ...options.rejectUnauthorized === false && { 'enable.ssl.certificate.verification': false }
  }
}

/** Joins parts to one PEM text. Returns an array, which `fromPlugin` refuses, where a part is neither text nor bytes. */
function toPem (value: unknown): unknown {
  const parts = [value].flat()
  return parts.every(part => typeof part === 'string' || part instanceof Uint8Array) ? parts.map(part => Buffer.from(part as string).toString()).join('\n') : parts
}

/**
 * Converts an option of 4.0.0 to librdkafka properties: an empty object where there are none, undefined for any other name.
 *
 * @throws KafkaError ERR__INVALID_ARG for a function or an object where librdkafka takes a plain value
 */
export function fromPlugin (name: string, value: unknown): Properties | undefined {
  const properties = name in converted ? converted[name]?.(value as never) : name in renamed ? { [renamed[name] as string]: value } : undefined
  if (properties === undefined) return name in withoutCounterpart ? {} : undefined
  for (const [property, found] of Object.entries(properties)) {
    if (typeof found === 'function' || (typeof found === 'object' && found !== null)) throw new KafkaError('ERR__INVALID_ARG', `${name}: librdkafka takes no ${typeof found} for ${property}`)
  }
  return properties
}

/** `security.protocol`, derived from the options `sasl` and `tls` of 4.0.0. */
export function securityOf ({ sasl, tls, ssl }: { sasl?: unknown, tls?: unknown, ssl?: unknown }): Properties {
  const isTls = Boolean(tls ?? ssl)
  return sasl || isTls ? { 'security.protocol': `${sasl ? 'sasl_' : ''}${isTls ? 'ssl' : 'plaintext'}` } : {}
}

/** Warnings about options of 4.0.0 that have no effect: one line for each. */
export function withoutMeaning (given: object): string[] {
  const options = given as Given
  const tls = Object.keys((options.tls ?? options.ssl ?? {}) as Given).filter(name => !(name in ofTls) && name !== 'rejectUnauthorized')
  const sasl = Object.keys((options.sasl ?? {}) as Given).filter(name => !['mechanism', 'username', 'password'].includes(name))
  return [
    ...Object.entries(withoutCounterpart).filter(([name]) => options[name] !== undefined).map(([name, instead]) => `the option ${name} has no meaning: ${instead}`),
    ...tls.map(name => `the option tls.${name} has no meaning: set one of librdkafka's properties ssl.*`),
    ...sasl.map(name => `the option sasl.${name} has no meaning: set one of librdkafka's properties sasl.*`)
  ]
}
