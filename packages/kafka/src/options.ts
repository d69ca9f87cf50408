import { KafkaError } from './errors.js'
import { loggerOf } from './logger.js'
import { fromPlugin, securityOf, withoutMeaning } from './plugin-options.js'
import { aliases, topicProperties } from './properties.js'
import type { ClientOptions } from './types.js'

/** Not librdkafka's: read by this client, or given by the plugin for another one. */
// Without events nobody hears of a fatal error or of a broker that is away, so they cannot be switched off.
const ownOptions = new Set(['closeTimeoutMs', 'cumulativeCommits', 'event_cb', 'log.queue', 'logger', 'onState', 'onStatistics', 'headers', 'serializers'])

type Properties = Record<string, unknown>

/** For both kinds of client. */
const common: Properties = {
  // A connection that has gone silent without being closed is given up after this long: librdkafka's 60 s are twice Java's.
  'socket.timeout.ms': 30_000,
  // Also: messages that have timed out are only noticed between two attempts to connect.
  'reconnect.backoff.max.ms': 1000,
  'topic.metadata.refresh.interval.ms': 5000,
  'statistics.interval.ms': 1000
}

export interface Configuration { global: Properties, topic: Properties }

/**
 * Sorts flat options (the plugin merges `producer` and `producerTopicConf`) into what the binding wants.
 * @throws KafkaError ERR__INVALID_ARG where no broker is named, or a value of 4.0.0 has no counterpart
 */
export function configure (options: ClientOptions, defaults: Properties): Configuration {
  const properties: Properties = { ...defaults, ...securityOf(options) }
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || value === null || ownOptions.has(name)) continue
    Object.assign(properties, fromPlugin(name, value) ?? { [aliases[name] ?? name]: Array.isArray(value) ? value.join(name === 'plugin.library.paths' ? ';' : ',') : value })
  }
  for (const line of withoutMeaning(options)) loggerOf(options).warn({}, `kafka: ${line}`)
  if (!properties['metadata.broker.list']) {
    throw new KafkaError('ERR__INVALID_ARG', 'No broker: set metadata.broker.list (or bootstrapBrokers)')
  }
  const entries = Object.entries(properties)
  return {
    global: Object.fromEntries(entries.filter(([name]) => !topicProperties.has(name))),
    topic: Object.fromEntries(entries.filter(([name]) => topicProperties.has(name)))
  }
}

const isAll = (acks: unknown) => acks === undefined || ['-1', 'all'].includes(String(acks))

/**
 * A producer's configuration.
 * @throws KafkaError ERR__INVALID_ARG where no broker is named
 */
export function producerConfiguration (options: ClientOptions): Configuration {
  const configuration = configure(options, {
    // Acknowledged by every in-sync replica, and not doubled by librdkafka's own retries.
    ...(isAll(options.acks ?? options['request.required.acks']) && { acks: 'all', 'enable.idempotence': true }),
    // Java's default: whatever client writes it, a key stays in its partition.
    partitioner: 'murmur2_random',
    // What a turn of the event loop gathers goes together; librdkafka's timers are whole milliseconds.
    'linger.ms': 0,
    'message.timeout.ms': 30_000,
    ...common
  })
  // What became of a message is told by the addon. The binding's own reports would fill the queue, and crash the process
  // where a callback is set, which takes the ids of our messages for objects of its own.
  configuration.global['delivery.report.only.error'] = true
  delete configuration.global.dr_cb
  delete configuration.global.dr_msg_cb
  delete configuration.global['allow.auto.create.topics'] // a consumer's; for producers the broker decides
  return configuration
}

/** A short queue that is refilled at once: more messages a second than a long one, in two thirds of the memory. */
const shortQueue = { 'queued.min.messages': 5000, 'queued.max.messages.kbytes': 4096, 'fetch.queue.backoff.ms': 5 }

/**
 * A consumer's configuration. The client stores and commits offsets itself: `enable.auto.commit` means for it what it
 * means to a user, that a message counts as committed when it has been handed out.
 * @throws KafkaError ERR__INVALID_ARG where no broker or no group is named
 */
export function consumerConfiguration (options: ClientOptions): Configuration & { autoCommit: boolean } {
  const configuration = configure(options, {
    'auto.offset.reset': 'earliest',
    ...shortQueue,
    ...common
  })
  const { global } = configuration
  if (!global['group.id']) throw new KafkaError('ERR__INVALID_ARG', 'No consumer group: set group.id (or groupId)')
  // With KIP-848's protocol the broker assigns, and librdkafka refuses the property.
  if (String(global['group.protocol']).toLowerCase() !== 'consumer') global['partition.assignment.strategy'] ??= 'cooperative-sticky'
  const autoCommit = String(global['enable.auto.commit'] ?? false) === 'true'
  Object.assign(global, {
    // Only what was stored (the watermark) is committed, in the background, and once more when a partition is given up.
    'enable.auto.commit': true,
    'enable.auto.offset.store': false,
    // How the committed position gets past the end of a log that is no message.
    'enable.partition.eof': true,
    'auto.commit.interval.ms': global['auto.commit.interval.ms'] ?? 100
  })
  return { ...configuration, autoCommit }
}

/**
 * The configuration of a reader, which is no member of a group and commits nothing.
 * @throws KafkaError ERR__INVALID_ARG where no broker is named
 */
export function readerConfiguration (options: ClientOptions): Configuration {
  return configure(options, {
    ...shortQueue,
    'enable.auto.commit': false,
    'enable.auto.offset.store': false,
    'allow.auto.create.topics': false,
    'enable.partition.eof': true,
    // A look at the end of one partition holds up the next one for this long.
    'fetch.wait.max.ms': 10,
    'reconnect.backoff.max.ms': 1000,
    // Where the oldest records were removed meanwhile: go on at the oldest there is.
    'auto.offset.reset': 'earliest'
  })
}
