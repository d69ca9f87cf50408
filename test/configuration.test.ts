import { readFileSync } from 'node:fs'
import { connectionVariables } from '@pair/kafka/connection'
import { describe, expect, test } from 'vitest'
import { readSystem } from '../packages/dev/dist/system.js'
import { settingNames } from '../packages/service/dist/settings/settings.js'

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
