import { connection, connectionEnvironment, type Connection } from '@pair/kafka/connection'

const given = connectionEnvironment(process.env)

/** librdkafka's connection properties: those of the services' settings, if any are set. */
export const connectionTo = (brokers: string): Connection => ({ ...Object.keys(given).length > 0 && connection(process.env), 'metadata.broker.list': brokers })

/** The same connection as settings of a service. */
export function settingsOf (brokers: string): Record<string, string> {
  const { KAFKA_BROKERS_FILE: _, ...others } = given
  return { ...others, KAFKA_BROKERS: brokers }
}

/**
 * For peers whose options for TLS and SASL are not implemented here.
 *
 * @throws Error that voids their round
 */
export function plaintextBrokers (brokers: string): string[] {
  const { 'security.protocol': protocol = 'plaintext' } = connectionTo(brokers)
  if (protocol !== 'plaintext') throw new Error(`is compared in plaintext only, not with ${protocol}`)
  return brokers.split(',')
}
