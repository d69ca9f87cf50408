import { fromPlugin } from './plugin-options.js'

/** librdkafka's second names, so that a default and a given value are one property. */
export const aliases: Record<string, string> = {
  'bootstrap.servers': 'metadata.broker.list',
  'request.required.acks': 'acks',
  'delivery.timeout.ms': 'message.timeout.ms',
  'sasl.mechanisms': 'sasl.mechanism',
  'queue.buffering.max.ms': 'linger.ms',
  'compression.codec': 'compression.type'
}

/**
 * Properties that librdkafka takes in the topic configuration only; everything else is global.
 * Source: the tables of librdkafka's CONFIGURATION.md. `message.timeout.ms` given globally is ignored by the binding.
 */
export const topicProperties = new Set([
  'acks', 'request.timeout.ms', 'message.timeout.ms', 'queuing.strategy',
  'produce.offset.report', 'partitioner', 'partitioner_cb', 'auto.offset.reset', 'offset.store.method', 'offset.store.path',
  'offset.store.sync.interval.ms', 'consume.callback.max.messages'
])

const secretProperties = [
  'sasl.password', 'ssl.key.password', 'ssl.key.pem', 'ssl.keystore.password', 'sasl.oauthbearer.client.secret',
  'sasl.oauthbearer.assertion.private.key.passphrase', 'sasl.oauthbearer.assertion.private.key.pem'
]

/** Replaces the secrets of a client's options in a text: some log lines repeat what the broker said. */
export function redactor (options: Record<string, unknown>): (text: string) => string {
  const all = { ...options, ...fromPlugin('sasl', options.sasl ?? {}), ...fromPlugin('tls', options.tls ?? options.ssl ?? {}) }
  const secrets = secretProperties.map(name => all[name]).filter(secret => typeof secret === 'string' && secret !== '') as string[]
  return text => secrets.reduce((redacted, secret) => redacted.replaceAll(secret, '***'), text)
}
