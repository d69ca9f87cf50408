import { expect, test } from 'vitest'
import { readSettings } from '../src/settings.js'

test('without settings everything is embedded, on the documented ports', () => {
  expect(readSettings({})).toEqual({
    userPort: 3000, profilePort: 3001, brokers: undefined, databases: undefined, dataDir: '.data'
  })
})

const url = 'postgres://user:secret@db/app'

test.each([
  ['USER_PORT', { USER_PORT: 'http' }],
  ['PROFILE_PORT', { PROFILE_PORT: '65536' }],
  ['PROFILE_PORT', { USER_PORT: '3001' }],
  ['KAFKA_BROKERS', { KAFKA_BROKERS: 'kafka' }],
  ['PROFILE_DATABASE_URL', { USER_DATABASE_URL: url }],
  ['USER_DATABASE_URL', { PROFILE_DATABASE_URL: url }],
  ['USER_DATABASE_URL', { USER_DATABASE_URL: 'secret', PROFILE_DATABASE_URL: url }]
])('a wrong %s is named in one line', (name, env) => {
  expect(() => readSettings(env)).toThrow(name)
  expect(() => readSettings(env)).not.toThrow(/secret|\n/)
})

test('a broker and databases that are given are used as they are', () => {
  const settings = readSettings({ KAFKA_BROKERS: 'a:9092,[::1]:9093', USER_DATABASE_URL: url, PROFILE_DATABASE_URL: url })
  expect(settings).toMatchObject({ brokers: 'a:9092,[::1]:9093', databases: { user: url, profile: url } })
})
