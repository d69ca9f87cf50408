import { KafkaError } from './errors.js'
import { loggerOf } from './logger.js'
import { fromPlugin, securityOf, withoutMeaning } from './plugin-options.js'
import { aliases, topicProperties } from './properties.js'
import type { ClientOptions } from './client-options.js'

/**
 * Options that are not passed to librdkafka: this client's own, those that the plugin sets for another client, and `event_cb` and
 * `log.queue`, which would switch off events that report fatal errors and unreachable brokers.
 */
const ownOptions = new Set(['closeTimeoutMs', 'cumulativeCommits', 'event_cb', 'log.queue', 'logger', 'onState', 'onStatistics', 'headers', 'serializers'])

type Properties = Record<string, unknown>

/** Defaults of producers and consumers. */
const common: Properties = {
  // Closes a connection without answers after 30 s, as Java's clients do; librdkafka's default is 60 s.
  'socket.timeout.ms': 30_000,
  // Also bounds how late a message times out: librdkafka checks that between two connection attempts.
  'reconnect.backoff.max.ms': 1000,
  'topic.metadata.refresh.interval.ms': 5000,
  'statistics.interval.ms': 1000
}

export interface Configuration { global: Properties, topic: Properties }

/**
 * Sorts flat options (the plugin merges `producer` and `producerTopicConf`) into the binding's global and topic configuration.
 * @throws KafkaError ERR__INVALID_ARG without a broker, or for a value of 4.0.0 without a counterpart
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
  const [scheme] = /\b(?!plaintext|ssl|sasl_plaintext|sasl_ssl)\w+:\/\//i.exec(String(properties['metadata.broker.list'])) ?? []
  if (scheme !== undefined) throw new KafkaError('ERR__INVALID_ARG', `A broker is host:port, without ${scheme}`)
  const entries = Object.entries(properties)
  return {
    global: Object.fromEntries(entries.filter(([name]) => !topicProperties.has(name))),
    topic: Object.fromEntries(entries.filter(([name]) => topicProperties.has(name)))
  }
}

const isAll = (acks: unknown) => acks === undefined || ['-1', 'all'].includes(String(acks))

/**
 * A producer's configuration.
 * @throws KafkaError ERR__INVALID_ARG without a broker
 */
export function producerConfiguration (options: ClientOptions): Configuration {
  const configuration = configure(options, {
    // Acknowledged by every in-sync replica, and not duplicated by librdkafka's retries.
    ...(isAll(options.acks ?? options['request.required.acks']) && { acks: 'all', 'enable.idempotence': true }),
    // The default of Java's clients: a key has the same partition, whichever client writes it.
    partitioner: 'murmur2_random',
    // Messages of one turn of the event loop share a batch; librdkafka's timers have a resolution of 1 ms.
    'linger.ms': 0,
    'message.timeout.ms': 30_000,
    ...common
  })
  // The addon delivers acknowledgements. The binding's delivery reports would fill the queue, and with a callback set they would
  // crash the process, because the binding takes this client's message ids for its own objects.
  configuration.global['delivery.report.only.error'] = true
  delete configuration.global.dr_cb
  delete configuration.global.dr_msg_cb
  delete configuration.global['allow.auto.create.topics'] // a consumer's property; for producers the broker decides
  return configuration
}

/** A short queue that is refilled without back-off: more messages a second than a long one, in two thirds of the memory. */
const shortQueue = { 'queued.min.messages': 5000, 'queued.max.messages.kbytes': 4096, 'fetch.queue.backoff.ms': 5 }

/**
 * A consumer's configuration. The client stores and commits offsets itself, so `enable.auto.commit` is returned as `autoCommit`:
 * a message counts as committed when it has been handed out.
 * @throws KafkaError ERR__INVALID_ARG without a broker or a group
 */
export function consumerConfiguration (options: ClientOptions): Configuration & { autoCommit: boolean } {
  const configuration = configure(options, {
    ...shortQueue,
    ...common
  })
  const { global } = configuration
  if (!global['group.id']) throw new KafkaError('ERR__INVALID_ARG', 'No consumer group: set group.id (or groupId)')
  const autoCommit = ['true', 't', '1'].includes(String(global['enable.auto.commit']).toLowerCase()) // librdkafka's words for it
  Object.assign(global, {
    // Commits stored offsets (watermarks) only, in the background and when a partition is given up.
    'enable.auto.commit': true,
    'enable.auto.offset.store': false,
    // Lets the committed offset pass a last offset that holds no message.
    'enable.partition.eof': true,
    'auto.commit.interval.ms': global['auto.commit.interval.ms'] ?? 100
  })
  return { ...configuration, autoCommit }
}

/**
 * The configuration of a reader, which is in no group and commits nothing.
 * @throws KafkaError ERR__INVALID_ARG without a broker
 */
export function readerConfiguration (options: ClientOptions): Configuration {
  return configure(options, {
    ...shortQueue,
    'enable.auto.commit': false,
    'enable.auto.offset.store': false,
    'allow.auto.create.topics': false,
    'enable.partition.eof': true,
    // A fetch at the end of a partition delays the next partition by this time.
    'fetch.wait.max.ms': 10,
    'reconnect.backoff.max.ms': 1000,
    // Continues at the oldest record where older ones were removed during the read.
    'auto.offset.reset': 'earliest'
  })
}
