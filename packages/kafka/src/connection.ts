import { createRequire } from 'node:module'
import { isBrokerList } from './broker-list.js'
import { checkCertificates } from './certificates.js'
import { readPropertiesFile } from './properties-file.js'
import { readVariable } from './variables.js'

export { readVariable } from './variables.js'

/** librdkafka properties that every client's options include. */
export type Connection = Readonly<Record<string, string>>

/** Environment variables of the connection, and librdkafka's property for each. */
const variables = {
  KAFKA_BROKERS: 'metadata.broker.list',
  KAFKA_SECURITY_PROTOCOL: 'security.protocol',
  KAFKA_SASL_MECHANISM: 'sasl.mechanism',
  KAFKA_SASL_USERNAME: 'sasl.username',
  KAFKA_SASL_PASSWORD: 'sasl.password',
  KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL: 'sasl.oauthbearer.token.endpoint.url',
  KAFKA_SASL_OAUTHBEARER_CLIENT_ID: 'sasl.oauthbearer.client.id',
  KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET: 'sasl.oauthbearer.client.secret',
  KAFKA_SASL_OAUTHBEARER_SCOPE: 'sasl.oauthbearer.scope',
  KAFKA_SSL_CA_LOCATION: 'ssl.ca.location',
  KAFKA_SSL_CERTIFICATE_LOCATION: 'ssl.certificate.location',
  KAFKA_SSL_KEY_LOCATION: 'ssl.key.location',
  KAFKA_SSL_KEY_PASSWORD: 'ssl.key.password'
} as const

const propertiesFile = 'KAFKA_PROPERTIES_FILE'

/** Every variable that `connection` reads; each but the last may come from a file (`<name>_FILE`). */
export const connectionVariables: readonly string[] = [...Object.keys(variables), propertiesFile]

const protocols = ['plaintext', 'ssl', 'sasl_plaintext', 'sasl_ssl']
const mechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER']
const credentials: Record<string, Array<keyof typeof variables>> = {
  PLAIN: ['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'],
  'SCRAM-SHA-256': ['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'],
  'SCRAM-SHA-512': ['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'],
  OAUTHBEARER: ['KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL', 'KAFKA_SASL_OAUTHBEARER_CLIENT_ID', 'KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET']
}

/**
 * Reads how to reach Kafka from the environment; services and tools read it nowhere else. Later wins: the file that
 * `KAFKA_PROPERTIES_FILE` names, variables, options that a client sets in code.
 *
 * @throws Error whose message is one line that names the wrong variable and repeats no secret
 */
export function connection (env: Record<string, string | undefined>): Connection {
  const fileName = env[propertiesFile]
  const properties: Record<string, string> = fileName ? readPropertiesFile(fileName) : {}
  for (const [variable, property] of Object.entries(variables)) {
    const value = readVariable(env, variable)
    if (value) properties[property] = value
  }
  check(properties)
  return properties
}

/** The variables of the connection that are set, for the environment of another process. */
export function connectionEnvironment (env: Record<string, string | undefined>): Record<string, string> {
  const names = connectionVariables.flatMap(name => [name, `${name}_FILE`])
  return Object.fromEntries(names.flatMap(name => env[name] ? [[name, env[name]]] : []))
}

/** Whether any variable of the connection is set; without one the launcher starts an embedded broker. */
export function isConnectionGiven (env: Record<string, string | undefined>): boolean {
  return Object.keys(connectionEnvironment(env)).length > 0
}

/** Normalizes the properties, and refuses those that librdkafka would refuse later, ignore, or use for a plaintext connection. */
function check (properties: Record<string, string>): void {
  const brokers = properties['metadata.broker.list']
  if (!isBrokerList(brokers ?? '')) throw new Error(`KAFKA_BROKERS must be host:port,host:port${brokers === undefined ? ', and is not set' : ''}`)
  const protocol = (properties['security.protocol'] ?? 'plaintext').toLowerCase()
  if (!protocols.includes(protocol)) throw new Error(`KAFKA_SECURITY_PROTOCOL must be ${oneOf(protocols)}`)
  if ('security.protocol' in properties) properties['security.protocol'] = protocol
  for (const [variable, property] of Object.entries(variables)) {
    if (!(property in properties)) continue
    const prefix = property.split('.')[0]
    if ((prefix === 'sasl' || prefix === 'ssl') && !protocol.split('_').includes(prefix)) {
      throw new Error(`KAFKA_SECURITY_PROTOCOL must be ${oneOf(protocols.filter(name => name.split('_').includes(prefix)))}, because ${variable} (${property}) is set`)
    }
  }
  if (protocol.includes('ssl')) checkCertificates(properties)
  if (protocol.startsWith('sasl')) checkSasl(properties)
}

function checkSasl (properties: Record<string, string>): void {
  const mechanism = properties['sasl.mechanism']?.toUpperCase()
  if (mechanism === undefined) throw new Error(`KAFKA_SASL_MECHANISM must be ${oneOf(mechanisms)}, and is not set`)
  properties['sasl.mechanism'] = mechanism
  if (mechanism === 'OAUTHBEARER') {
    // Unsigned tokens, for development, come from librdkafka's default method.
    if (properties['enable.sasl.oauthbearer.unsecure.jwt'] === 'true') return
    properties['sasl.oauthbearer.method'] ??= 'oidc'
    if (!features().includes('oidc')) {
      throw new Error('KAFKA_SASL_MECHANISM=OAUTHBEARER needs a librdkafka that was built with libcurl, and this one was not (apt-get install libcurl4-openssl-dev, remove node_modules/node-rdkafka/build, build again)')
    }
  }
  for (const variable of credentials[mechanism] ?? []) {
    if (!properties[variables[variable]]) throw new Error(`${variable} must be set for KAFKA_SASL_MECHANISM=${mechanism}`)
  }
}

/** Loads the binding only where its features matter, so that a wrong setting ends a process soon. */
function features (): string[] {
  return (createRequire(import.meta.url)('node-rdkafka') as typeof import('node-rdkafka')).features
}

const oneOf = (names: string[]) => names.join(', ').replace(/, ([^,]*)$/, ' or $1')
