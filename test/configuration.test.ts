import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { connectionVariables } from '@pair/kafka/connection'
import { describe, expect, test } from 'vitest'
import { readSystem } from '../packages/dev/dist/system.js'
import { readMigrationUrl, readSettings, settingNames } from '../packages/service/dist/settings/settings.js'

const page = readFileSync(new URL('../docs/configuration.md', import.meta.url), 'utf8')

function section (title: string): string {
  const from = page.indexOf(`\n## ${title}\n`)
  const to = page.indexOf('\n## ', from + 1)
  expect(from).toBeGreaterThan(0)
  return page.slice(from, to < 0 ? undefined : to)
}

/** What stands in the first column of the tables. */
const named = (text: string) => text.split('\n').filter(line => line.startsWith('| `')).flatMap(line => [...String(line.split(' | ')[0]).matchAll(/`([A-Z_]+)`/g)].map(([, name]) => String(name))).sort()

describe('docs/configuration.md', () => {
  test('names every setting of a service, and no other', () => {
    expect(named(section('Settings of a service'))).toEqual([...settingNames, ...connectionVariables].sort())
  })

  test('names every setting of npm start, and no other', () => {
    // A service that is added has `<NAME>_PORT` and `<NAME>_DATABASE_URL`.
    const ofServices = readSystem().services.filter(({ name }) => ['user', 'profile'].includes(name)).flatMap(({ portVariable, databaseVariable }) => [portVariable, databaseVariable])
    expect(named(section('Settings of npm start'))).toEqual([...ofServices, 'DATA_DIR'].sort())
  })

  test('names no variable elsewhere that nobody reads', () => {
    const known = new Set([...settingNames, ...connectionVariables, ...named(section('Settings of npm start'))].flatMap(name => [name, `${name}_FILE`]))
    // An example of what is not read, and of another service.
    for (const other of ['KAFKA_PORT', 'KAFKA_', 'MAILER_PORT', 'MAILER_DATABASE_URL']) known.add(other)
    const used = [...page.matchAll(/(?<![\w-])[A-Z]+_[A-Z_]*/g)].map(([name]) => name)
    expect(used.filter(name => !known.has(name))).toEqual([])
  })
})

describe('.env.example', () => {
  const example = readFileSync(new URL('../.env.example', import.meta.url), 'utf8')

  test('names every setting of a service once, and no other, each below a line that explains it', () => {
    const lines = example.split('\n')
    const settings = lines.flatMap((line, at) => /^#?[A-Z_]+=/.test(line) ? [{ name: line.replace(/^#?([A-Z_]+)=.*/, '$1'), before: lines[at - 1] }] : [])
    expect(settings.map(({ name }) => name).sort()).toEqual([...settingNames, ...connectionVariables].sort())
    for (const { name, before } of settings) expect(before, name).toMatch(/^# .+\.$/)
  })

  test('is what node --env-file reads a service\'s settings from, and sets what is optional to its default', () => {
    const env = parseEnv(example) as Record<string, string>
    const required = { DATABASE_URL: env['DATABASE_URL'], KAFKA_BROKERS: env['KAFKA_BROKERS'] }
    const { kafka, ...settings } = readSettings({ PORT: 0 }, env)
    const { kafka: byDefault, ...defaults } = readSettings({ PORT: Number(env['PORT']) }, required)
    expect(settings).toEqual(defaults)
    expect(kafka).toEqual({ 'security.protocol': 'plaintext', ...byDefault })
    expect(readSystem().services.find(({ name }) => name === 'user')).toMatchObject({ port: settings.PORT })
  })

  test('has examples that are taken where they are set, certificates and the file of properties left out', () => {
    const env = parseEnv(example.replaceAll(/^#(?=[A-Z_]+=)/gm, '')) as Record<string, string>
    const there = Object.entries(env).filter(([name]) => !/^KAFKA_SSL_|^KAFKA_PROPERTIES_FILE$/.test(name))
    expect(readSettings({ PORT: 0 }, { ...Object.fromEntries(there), KAFKA_SECURITY_PROTOCOL: 'sasl_ssl' })).toMatchObject({ ADMIN_PORT: 9464, KAFKA_PREFIX: 'staging.' })
    expect(readMigrationUrl(env)).toBe(env['MIGRATION_DATABASE_URL'])
  })
})
