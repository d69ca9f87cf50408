import { createSecureContext } from 'node:tls'
import type { ClientConfig } from 'pg'
import { parse, toClientConfig } from 'pg-connection-string'

const sslModes = ['disable', 'require', 'verify-ca', 'verify-full']

/**
 * How to connect, from a `postgres://` URL and what libpq takes in its query. `sslmode` has libpq's meaning, which is not
 * pg's own: `require` encrypts and checks no certificate, unless `sslrootcert` is given. Certificates are read here, once.
 *
 * - left out: no TLS (libpq would try it, and go on without where there is none; so `prefer` and `allow` are refused)
 * - `verify-full` without `sslrootcert`, or with `system`: the authorities that Node trusts
 * - over a Unix socket: no TLS, whatever is said
 *
 * @throws Error that says what is wrong and repeats nothing of the URL, which may hold a password
 * @see https://www.postgresql.org/docs/current/libpq-ssl.html
 */
export function connectionOf (url: string): ClientConfig {
  if (!/^postgres(ql)?:\/\//.test(url)) throw new Error('it begins with postgres://')
  const [address = '', query = ''] = url.split(/\?(.*)/s)
  const parameters = new URLSearchParams(query)
  prepare(parameters)
  let config: ClientConfig
  try {
    config = toClientConfig(parse(`${address}?${parameters}`, { useLibpqCompat: true }))
  } catch (error) {
    throw new Error(reasonOf(error as NodeJS.ErrnoException))
  }
  config.database ??= parameters.get('dbname') ?? ''
  if (config.database === '') throw new Error('the name of the database is missing')
  if (config.host?.includes(',')) throw new Error('one host only')
  // Otherwise pg would look at PGSSLMODE.
  if (config.ssl === undefined || config.host?.startsWith('/')) config.ssl = false
  checkCertificates(config.ssl)
  return config
}

/** Puts what libpq takes and the parser does not into words that it takes. */
function prepare (parameters: URLSearchParams): void {
  // libpq takes it for the sake of JDBC.
  if (parameters.get('ssl') === 'true' && !parameters.has('sslmode')) parameters.set('sslmode', 'require')
  for (const unknown of ['ssl', 'uselibpqcompat']) parameters.delete(unknown)
  const mode = parameters.get('sslmode')
  if (mode !== null && !sslModes.includes(mode)) throw new Error(`sslmode is one of ${sslModes.join(', ')}`)
  if (parameters.get('sslrootcert') === 'system') {
    if (mode !== 'verify-full') throw new Error('sslrootcert=system needs sslmode=verify-full')
    parameters.delete('sslrootcert')
  }
  if (mode === 'verify-ca' && !parameters.has('sslrootcert')) throw new Error('sslmode=verify-ca needs sslrootcert')
  if (mode === null && ['sslrootcert', 'sslcert', 'sslkey'].some(name => parameters.has(name))) throw new Error('a certificate needs sslmode')
}

function checkCertificates (ssl: ClientConfig['ssl']): void {
  if (typeof ssl !== 'object') return
  const { ca, cert, key } = ssl
  for (const [name, options] of [['sslrootcert', { ca }], ['sslcert', { cert }], ['sslkey', { key }], ['sslcert and sslkey', { cert, key }]] as const) {
    try {
      createSecureContext(options)
    } catch (error) {
      throw new Error(`${name} cannot be used: ${(error as { code?: string }).code ?? 'no PEM'}`)
    }
  }
}

function reasonOf ({ syscall, code }: NodeJS.ErrnoException): string {
  return syscall === 'open' || syscall === 'read' ? `a file of sslrootcert, sslcert or sslkey cannot be read: ${code}` : 'it is no URL'
}
