import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Type } from 'typebox'
import { afterAll, expect, test } from 'vitest'
import { readMigrationUrl, readSettings } from '../dist/settings/settings.js'

const folder = mkdtempSync(join(tmpdir(), 'settings-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file (name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const url = 'postgres://user:p%40ss%2Fw@host/app'
const good = { KAFKA_BROKERS: 'a:1', DATABASE_URL: url }

test('every setting may come from a file', () => {
  const settings = readSettings({ PORT: 1 }, { KAFKA_BROKERS_FILE: file('brokers', 'a:1\n'), DATABASE_URL_FILE: file('url', `${url}\n`), PORT_FILE: file('port', '4000\n'), LOG_LEVEL_FILE: file('level', 'warn') })
  expect(settings).toMatchObject({ DATABASE_URL: url, PORT: 4000, LOG_LEVEL: 'warn', kafka: { 'metadata.broker.list': 'a:1' } })
  expect(readMigrationUrl({ MIGRATION_DATABASE_URL_FILE: file('url', `${url}\n`) })).toBe(url)
  expect(readMigrationUrl({ DATABASE_URL_FILE: file('url', `${url}\n`) })).toBe(url)
})

test('a setting and its file together are an error, and so is a file that is not there; neither is quoted', () => {
  const given = file('given', url)
  expect(() => readSettings({ PORT: 1 }, { ...good, DATABASE_URL_FILE: given })).toThrow(/^DATABASE_URL and DATABASE_URL_FILE are both set$/)
  expect(() => readSettings({ PORT: 1 }, { ...good, DATABASE_URL: '', DATABASE_URL_FILE: '/secret' })).toThrow(/^DATABASE_URL_FILE names a file that cannot be read: ENOENT$/)
  expect(() => readMigrationUrl({ ...good, DATABASE_URL_FILE: given })).toThrow(/^DATABASE_URL and DATABASE_URL_FILE are both set$/)
})

test('a setting that is needed and missing is told as not set, a service\'s own too', () => {
  const own = { MAIL_URL: Type.String({ description: 'an http:// URL' }) }
  expect(() => readSettings({ PORT: 1, own }, { KAFKA_BROKERS: 'a:1' })).toThrow(/^DATABASE_URL must be [^;]*, and is not set; MAIL_URL must be an http:\/\/ URL, and is not set$/)
})

test('all that is wrong is told in one line', () => {
  expect(() => readSettings({ PORT: 1 }, { PORT: 'x', HOST: '127.0.0.1', DATABASE_URL: url })).toThrow(/^PORT must be a port, 0 to 65535; KAFKA_BROKERS must be host:port,host:port, and is not set$/)
  expect(() => readSettings({ PORT: 1 }, { ...good, HOST: 'x', DATABASE_URL: 'mysql://secret', KAFKA_SECURITY_PROTOCOL: 'tls' }))
    .toThrow(/^HOST must be an IP address or localhost; DATABASE_URL must be [^;]* \(it must begin with postgres:\/\/\); KAFKA_SECURITY_PROTOCOL must be [^;]*$/)
})
