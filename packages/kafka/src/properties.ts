import type { ClientOptions } from './client-options.js'
import { fromPlugin } from './plugin-options.js'

/** librdkafka's aliases of properties: a default and a given value must be one property. */
export const aliases: Record<string, string> = {
  'bootstrap.servers': 'metadata.broker.list',
  'request.required.acks': 'acks',
  'delivery.timeout.ms': 'message.timeout.ms',
  'sasl.mechanisms': 'sasl.mechanism',
  'queue.buffering.max.ms': 'linger.ms',
  'compression.codec': 'compression.type'
}

/**
 * Properties that librdkafka accepts in the topic configuration only; all others are global.
 * Source: the tables of librdkafka's CONFIGURATION.md. `message.timeout.ms` given globally is ignored by the binding.
 */
export const topicProperties = new Set([
  'acks', 'request.timeout.ms', 'message.timeout.ms', 'compression.level', 'queuing.strategy',
  'produce.offset.report', 'partitioner', 'partitioner_cb', 'auto.offset.reset', 'offset.store.method', 'offset.store.path',
  'offset.store.sync.interval.ms', 'consume.callback.max.messages'
])

const secretProperties = [
  'sasl.password', 'ssl.key.password', 'ssl.key.pem', 'ssl.keystore.password', 'sasl.oauthbearer.client.secret',
  'sasl.oauthbearer.assertion.private.key.passphrase', 'sasl.oauthbearer.assertion.private.key.pem'
]

/** Returns a function that masks the secrets of a client's options in a text: some log lines repeat a broker's response. */
export function redactor (options: ClientOptions): (text: string) => string {
  const all: Record<string, unknown> = { ...options, ...fromPlugin('sasl', options.sasl ?? {}), ...fromPlugin('tls', options.tls ?? options.ssl ?? {}) }
  const secrets = secretProperties.map(name => all[name]).filter(secret => typeof secret === 'string' && secret !== '') as string[]
  return text => secrets.reduce((redacted, secret) => redacted.replaceAll(secret, '***'), text)
}
