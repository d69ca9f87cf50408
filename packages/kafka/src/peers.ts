import { createRequire } from 'node:module'

// Must be imported before node-rdkafka.

const require = createRequire(import.meta.url)

/** Supported versions: the addon works with one version of the binding, and the exports match one minor version of the plugin. */
const needed = { 'node-rdkafka': /^3\.6\.1$/, '@fastify/kafka': /^4\.0\./ }

const found = (name: keyof typeof needed): string | undefined => {
  try {
    return (require(`${name}/package.json`) as { version: string }).version.replace(/^v/, '')
  } catch {
    return undefined // not installed: importing it fails
  }
}

const binding = found('node-rdkafka')
if (binding !== undefined && !needed['node-rdkafka'].test(binding)) {
  throw new Error(`The Kafka client (@pair/kafka) needs node-rdkafka 3.6.1, and finds ${binding}: npm install --save-exact node-rdkafka@3.6.1`)
}
const plugin = found('@fastify/kafka')
if (plugin !== undefined && !needed['@fastify/kafka'].test(plugin)) {
  throw new Error(`The Kafka client (@pair/kafka) is made for @fastify/kafka 4.0, and finds ${plugin}: npm install @fastify/kafka@~4.0.0`)
}
