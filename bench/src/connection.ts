import { connection, connectionEnvironment, type Connection } from '@pair/kafka/connection'

const given = connectionEnvironment(process.env)

/** How librdkafka reaches the broker: as the settings of the services say, where they are given. */
export const connectionTo = (brokers: string): Connection => ({ ...Object.keys(given).length > 0 && connection(process.env), 'metadata.broker.list': brokers })

/** The same as settings of a service. */
export function settingsOf (brokers: string): Record<string, string> {
  const { KAFKA_BROKERS_FILE: _, ...others } = given
  return { ...others, KAFKA_BROKERS: brokers }
}

/**
 * For peers that have other options for TLS and SASL, which nobody has written here.
 *
 * @throws Error that voids their round
 */
export function plaintextBrokers (brokers: string): string[] {
  const { 'security.protocol': protocol = 'plaintext' } = connectionTo(brokers)
  if (protocol !== 'plaintext') throw new Error(`is compared in plaintext only, not with ${protocol}`)
  return brokers.split(',')
}
