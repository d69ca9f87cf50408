import { createSecureContext } from 'node:tls'
import type { ClientConfig } from 'pg'
import { parse, toClientConfig } from 'pg-connection-string'

const sslModes = ['disable', 'require', 'verify-ca', 'verify-full']

/**
 * Returns pg's configuration for a `postgres://` URL with libpq's query parameters. `sslmode` has libpq's meaning, not pg's:
 * `require` encrypts but checks no certificate, unless `sslrootcert` is given. Certificates are read once, here.
 *
 * - no `sslmode`: no TLS. (libpq would try TLS and fall back to none; `prefer` and `allow`, which do the same, are refused.)
 * - `verify-full` without `sslrootcert`, or with `sslrootcert=system`: the certificate authorities that Node trusts
 * - Unix socket: no TLS, regardless of `sslmode`
 *
 * @throws Error with the reason, which quotes nothing of the URL because it may hold a password
 * @see https://www.postgresql.org/docs/current/libpq-ssl.html
 */
export function connectionOf (url: string): ClientConfig {
  if (!/^postgres(ql)?:\/\//.test(url)) throw new Error('it must begin with postgres://')
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
  if (config.host?.includes(',')) throw new Error('only one host is supported')
  // If undefined, pg would use PGSSLMODE.
  if (config.ssl === undefined || config.host?.startsWith('/')) config.ssl = false
  checkCertificates(config.ssl)
  return config
}

/** Translates libpq parameters that the parser does not know. @throws Error for an unsupported combination */
function prepare (parameters: URLSearchParams): void {
  // libpq accepts ssl=true for compatibility with JDBC.
  if (parameters.get('ssl') === 'true' && !parameters.has('sslmode')) parameters.set('sslmode', 'require')
  for (const unknown of ['ssl', 'uselibpqcompat']) parameters.delete(unknown)
  const mode = parameters.get('sslmode')
  if (mode !== null && !sslModes.includes(mode)) throw new Error(`sslmode must be one of ${sslModes.join(', ')}`)
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
      throw new Error(`${name} cannot be used: ${(error as { code?: string }).code ?? 'it is not PEM'}`)
    }
  }
}

function reasonOf ({ syscall, code }: NodeJS.ErrnoException): string {
  return syscall === 'open' || syscall === 'read' ? `a file of sslrootcert, sslcert or sslkey cannot be read: ${code}` : 'it is not a URL'
}
