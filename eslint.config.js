import neostandard from 'neostandard'

/**
 * Import boundaries: the table in docs/architecture.md, "Parts", checked by the linter.
 *
 * @param {string} folder
 * @param {string[]} allowed packages of ours
 * @param {string} message
 */
const imports = (folder, allowed, message) => ({
  files: [`${folder}/**`],
  ignores: ['**/test/**'],
  rules: {
    'no-restricted-imports': ['error', {
      patterns: [{
        group: [
          '@pair/*', '@pair/*/*', ...allowed.flatMap(name => [`!@pair/${name}`, `!@pair/${name}/*`]),
          '**/microservices/**', '**/packages/**',
          ...(folder === 'packages/kafka' ? [] : ['node-rdkafka', 'node-rdkafka/*'])
        ],
        message
      }]
    }]
  }
})

export default [
  ...neostandard({ ts: true, ignores: ['**/dist/**', '.data/**'] }),
  {
    rules: {
      'no-restricted-syntax': ['error', {
        selector: "CallExpression[callee.object.name='AbortSignal'][callee.property.name='any'] CallExpression[callee.property.name='timeout']",
        message: 'On Node 20 the garbage collector may remove this timeout before it is over (https://github.com/nodejs/node/issues/57736): use withTimeLimit() of @pair/service.'
      }]
    }
  },
  imports('shared-topics', ['events'], 'The contract imports only the envelope.'),
  imports('packages/events', [], 'The envelope imports nothing of ours.'),
  imports('packages/kafka', ['kafka'], 'The Kafka client imports nothing of ours.'),
  imports('packages/service', ['kafka', 'events'], 'Only @pair/kafka talks to librdkafka; nothing shared knows a service.'),
  imports('microservices/*', ['kafka', 'events', 'service', 'shared-topics'], 'Only @pair/kafka talks to librdkafka; a service never imports another one.'),
  imports('examples/*/shared-topics', ['events'], 'The contract imports only the envelope.'),
  imports('examples/*/microservices/*', ['kafka', 'events', 'service', '*-shared-topics'], 'Only @pair/kafka talks to librdkafka; a service never imports another one.'),
  imports('packages/dlq', ['kafka', 'events', 'shared-topics'], 'Tools look at the broker, not into services.'),
  imports('packages/dev', ['kafka'], 'The launcher starts services as processes; it imports only @pair/kafka.')
]
