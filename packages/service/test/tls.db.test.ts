import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { connectionOf } from '../dist/database/connection.js'
import { faultOf } from '../dist/database/faults.js'
import { ServicePool } from '../dist/database/pool.js'
import { newDatabase, newRole } from '../../../test/fixtures/new-database.js'
import { expectNoSecret } from '../../../test/fixtures/secrets.js'
import { checks, eventually, startService } from '../../../test/fixtures/services.js'

const missing = inject('databaseKind') !== 'embedded'
  ? 'skipped: this server is not ours to configure'
  : spawnSync('openssl', ['version']).status === 0 ? undefined : 'skipped: there is no openssl'

let folder: string
let admin: pg.Client

beforeAll(async () => {
  admin = new pg.Client({ connectionString: inject('databaseUrl') })
  await admin.connect()
  folder = mkdtempSync(join(tmpdir(), 'tls-'))
})
afterAll(async () => {
  await admin.end()
  rmSync(folder, { recursive: true })
})

const file = (name: string) => join(folder, name)
const openssl = (...parameters: string[]) => execFileSync('openssl', parameters, { stdio: 'pipe' })

/** Makes a certificate and its key, signed by itself or by another one. */
function certify (name: string, subject: string, issuer?: string) {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file(`${name}.key`), '-subj', `/CN=${subject}`]
  if (issuer === undefined) return openssl('req', '-x509', ...key, '-days', '2', '-out', file(`${name}.crt`))
  writeFileSync(file('names'), `subjectAltName=DNS:${subject}`)
  openssl('req', ...key, '-out', file(`${name}.csr`))
  openssl('x509', '-req', '-in', file(`${name}.csr`), '-days', '2', '-CA', file(`${issuer}.crt`), '-CAkey', file(`${issuer}.key`), '-CAcreateserial', '-extfile', file('names'), '-out', file(`${name}.crt`))
}

/** Gives the server TLS: the files are written by its own system user, as it asks for. */
async function switchOn () {
  const { rows: [row] } = await admin.query<{ data: string }>("select current_setting('data_directory') as data")
  for (const [setting, name] of [['ssl_cert_file', 'server.crt'], ['ssl_key_file', 'server.key'], ['ssl_ca_file', 'ca.crt']] as const) {
    const lines = readFileSync(file(name), 'utf8').trim().replaceAll('\n', '\',\'')
    await admin.query(`copy (select unnest(array['${lines}'])) to program 'umask 077; cat > "${row?.data}/${name}"'`)
    await admin.query(`alter system set ${setting} = '${name}'`)
  }
  await admin.query("alter system set ssl = 'on'")
  await admin.query('select pg_reload_conf()')
  await expect.poll(async () => (await admin.query('show ssl')).rows).toEqual([{ ssl: 'on' }])
}

/** Connects as a service does. @returns what the server knows of the connection, or why there is none */
async function connect (query: string, host = '127.0.0.1') {
  const url = new URL(inject('databaseUrl'))
  url.hostname = host
  const pool = new ServicePool(connectionOf(`${url.href}?${query}`), 1)
  try {
    const { rows: [row] } = await pool.query<{ ssl: boolean, client_dn: string | null }>('select ssl, client_dn from pg_stat_ssl where pid = pg_backend_pid()')
    return row?.ssl ? row.client_dn ?? 'encrypted' : 'plain'
  } catch (error) {
    return `${faultOf(error)}: ${(error as Error).message}`
  } finally {
    await pool.end()
  }
}

describe.skipIf(missing)(`sslmode has libpq's meaning${missing ? ` (${missing})` : ''}`, () => {
  const root = (name: string) => `sslrootcert=${file(`${name}.crt`)}`

  test('a server without TLS gets nobody who asked for it', async () => {
    expect(await connect('sslmode=require')).toBe('transient: The server does not support SSL connections')
  })

  test('a server with a certificate of an authority of its own', async () => {
    certify('ca', 'authority')
    certify('other', 'authority')
    certify('server', 'localhost', 'ca')
    certify('client', 'somebody', 'ca')
    await switchOn()

    expect(await connect('')).toBe('plain')
    expect(await connect('sslmode=disable')).toBe('plain')
    expect(await connect('sslmode=require')).toBe('encrypted')
    expect(await connect(`sslmode=require&${root('ca')}`)).toBe('encrypted')
    expect(await connect(`sslmode=require&${root('other')}`)).toMatch(/^transient: .*certificate/)
    expect(await connect(`sslmode=verify-ca&${root('ca')}`)).toBe('encrypted')
    expect(await connect(`sslmode=verify-ca&${root('other')}`)).toMatch(/^transient: .*certificate/)
    expect(await connect(`sslmode=verify-full&${root('ca')}`, 'localhost')).toBe('encrypted')
    expect(await connect(`sslmode=verify-full&${root('ca')}`)).toMatch(/^transient: .*does not match certificate/)
    expect(await connect('sslmode=verify-full', 'localhost')).toMatch(/^transient: .*certificate/)
    expect(await connect(`sslmode=verify-full&${root('ca')}&sslcert=${file('client.crt')}&sslkey=${file('client.key')}`, 'localhost')).toBe('/CN=somebody')
    expect(await connect(`sslmode=require&sslcert=${file('client.crt')}&sslkey=${file('server.key')}`).catch(String)).toContain('sslcert and sslkey cannot be used')
  })

  test('a service with a password of any characters, from a file, is unready with the reason while the server\'s certificate is wrong, and goes on once it is renewed', async () => {
    const password = 'p@ss/w:rd%?#é\'"'
    const { url: empty, close } = await newDatabase()
    onTestFinished(close)
    const { name, url: own } = await newRole(empty)
    await admin.query(`alter role ${name} password '${password.replace("'", "''")}'`)
    const owns = async (role: string) => { await admin.query(`alter database ${new URL(empty).pathname.slice(1)} owner to ${role}`) }
    await owns(name)
    onTestFinished(() => owns('current_user')) // before the role is dropped
    const url = new URL(own)
    url.hostname = 'localhost'
    url.password = encodeURIComponent(password)
    writeFileSync(file('url'), `${url.href}?sslmode=verify-full&${root('other')}\n`)
    const service = await startService('user', { KAFKA_BROKERS: '127.0.0.1:1', DATABASE_URL: '', DATABASE_URL_FILE: file('url') })
    onTestFinished(async () => { service.kill('SIGKILL'); await service.ended })
    await eventually(() => expect(service.lines.filter(({ msg }) => msg === 'the database: away, trying again')).toEqual([
      expect.objectContaining({ err: expect.objectContaining({ message: expect.stringContaining('certificate') }) })
    ]), 15_000)
    expect(await checks(service)).toMatchObject({ status: 503 })

    certify('server', 'localhost', 'other')
    await switchOn()
    await eventually(async () => expect(await checks(service)).toMatchObject({ status: 200, database: 'up' }), 60_000)
    await expectNoSecret(service, password, encodeURIComponent(password))
  })
})
