import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'

const authorities = 'ssl.ca.location'
const files = { KAFKA_SSL_CA_LOCATION: authorities, KAFKA_SSL_CERTIFICATE_LOCATION: 'ssl.certificate.location', KAFKA_SSL_KEY_LOCATION: 'ssl.key.location' }

/**
 * Reads the files that librdkafka will read later, so that a mistake ends the start with one line.
 *
 * @throws Error that names the variable and does not repeat any content
 */
export function checkCertificates (properties: Record<string, string>): void {
  const [ca, cert, key] = Object.entries(files).map(([variable, property]) => read(variable, property, properties[property]))
  const passphrase = properties['ssl.key.password']
  checkContext('KAFKA_SSL_CA_LOCATION', { ca })
  checkContext('KAFKA_SSL_CERTIFICATE_LOCATION', { cert })
  checkContext('KAFKA_SSL_KEY_LOCATION with KAFKA_SSL_KEY_PASSWORD', { key, passphrase })
  checkContext('KAFKA_SSL_CERTIFICATE_LOCATION with KAFKA_SSL_KEY_LOCATION', { cert, key, passphrase })
}

function read (variable: string, property: string, file: string | undefined): Buffer | undefined {
  if (file === undefined || (property === authorities && file === 'probe')) return undefined
  try {
    return readFileSync(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (property === authorities && code === 'EISDIR') return undefined // librdkafka accepts a folder too
    throw new Error(`${variable} names a file that cannot be read: ${code}`)
  }
}

function checkContext (variables: string, options: Record<string, Buffer | string | undefined>): void {
  try {
    createSecureContext(options)
  } catch (error) {
    throw new Error(`${variables} cannot be used: ${(error as { code?: string }).code ?? 'no PEM'}`)
  }
}
