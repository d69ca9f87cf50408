import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const server = (service: string) => fileURLToPath(new URL(`../../../microservices/${service}/dist/server.js`, import.meta.url))
const good = { KAFKA_BROKERS: '127.0.0.1:1', DATABASE_URL: 'postgres://user:topsecret@127.0.0.1:1/db', PORT: '0' }

async function run (service: string, env: Record<string, string | undefined>) {
  const child = spawn(process.execPath, [server(service)], { env: { PATH: process.env['PATH'], ...good, ...env }, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', chunk => { said += String(chunk) })
  const code = await new Promise(resolve => child.on('close', resolve))
  return { code, said }
}

describe.each(['user', 'profile'])('the %s service with a setting that is wrong ends with code 1 and one line naming it:', service => {
  test.each([
    ['KAFKA_BROKERS', undefined], ['KAFKA_BROKERS', ''], ['KAFKA_BROKERS', 'localhost'], ['KAFKA_BROKERS', 'localhost:99999'], ['KAFKA_BROKERS', 'a:1,,b:2'], ['KAFKA_BROKERS', 'kafka://a:1'],
    ['DATABASE_URL', undefined], ['DATABASE_URL', 'mysql://user:topsecret@localhost/db'], ['DATABASE_URL', 'postgres://localhost'], ['DATABASE_URL', 'postgres://topsecret@host:99999/db'],
    ['DATABASE_URL', 'postgres://topsecret@host/db?sslmode=prefer'], ['DATABASE_URL', 'postgres://topsecret@host/db?sslmode=verify-full&sslrootcert=/topsecret.pem'],
    ['HOST', 'no host'], ['HOST', ''], ['PORT', 'http'], ['PORT', '65536'], ['PORT', '-1'], ['PORT', '1.5'], ['PORT', ''],
    ['KAFKA_PREFIX', 'staging/'], ['KAFKA_PREFIX', 'x'.repeat(101)], ['KAFKA_SESSION_TIMEOUT_MS', '10s'], ['KAFKA_SESSION_TIMEOUT_MS', '300001'], ['KAFKA_FETCH_WAIT_MAX_MS', '-1'], ['SHUTDOWN_GRACE_MS', 'soon'], ['SHUTDOWN_GRACE_MS', '0'], ['SHUTDOWN_DELAY_MS', '-1'], ['SHUTDOWN_DELAY_MS', '5s'], ['KEEP_ALIVE_TIMEOUT_MS', '0'], ['LOG_LEVEL', 'loud'],
    ['KAFKA_SECURITY_PROTOCOL', 'tls'], ['KAFKA_PROPERTIES_FILE', '/topsecret'], ['KAFKA_SASL_PASSWORD_FILE', '/topsecret'], ['KEEP_ALIVE_TIMEOUT_MS_FILE', '/topsecret']
  ])('%s=%s', async (name, value) => {
    const { code, said } = await run(service, { [name]: value })
    expect(code).toBe(1)
    expect(said).toMatch(new RegExp(`^${service}-service: ${name} (must be|names a file that cannot be read: ENOENT).*\n$`))
    expect(said).not.toContain('topsecret')
  })

  test('an address of somebody else as HOST', async () => {
    const { code, said } = await run(service, { HOST: '192.0.2.1', PORT: '3000' })
    expect({ code, said }).toEqual({ code: 1, said: `${service}-service: cannot listen on HOST 192.0.2.1, PORT 3000: EADDRNOTAVAIL\n` })
  })
})
