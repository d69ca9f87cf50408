import neostandard from 'neostandard'

/**
 * Who may import what: the table in README "Parts", held by the linter.
 *
 * @param {string[]} files
 * @param {string[]} patterns
 * @param {string} message
 */
const forbid = (files, patterns, message) => ({
  files,
  ignores: ['**/test/**'],
  rules: { 'no-restricted-imports': ['error', { patterns: [{ group: patterns, message }] }] }
})

const rdkafka = ['node-rdkafka', 'node-rdkafka/*']
const services = ['user-service', 'user-service/*', 'profile-service', 'profile-service/*', '**/microservices/**']

export default [
  ...neostandard({ ts: true, ignores: ['**/dist/**', '.data/**'] }),
  forbid(['shared-topics/**'], [...rdkafka, ...services, 'shared-kafka', 'shared-service', 'operate', 'local'], 'The contract imports nothing of ours.'),
  forbid(['shared-kafka/**'], [...services, 'shared-topics', 'shared-service', 'operate', 'local'], 'The Kafka client imports nothing of ours.'),
  forbid(['shared-service/**'], [...rdkafka, ...services, 'operate', 'local'], 'Only shared-kafka talks to librdkafka; nothing shared knows a service.'),
  forbid(['microservices/**'], [...rdkafka, ...services, 'operate', 'local', 'local/*'], 'Only shared-kafka talks to librdkafka; a service never imports another one.'),
  forbid(['operate/**'], [...rdkafka, ...services, 'shared-service', 'local'], 'Tools look at the broker, not into services; they import only shared-kafka and shared-topics.'),
  forbid(['local/**'], [...rdkafka, ...services, 'shared-topics', 'shared-service', 'operate'], 'The launcher starts services as processes; it imports only shared-kafka.')
]
