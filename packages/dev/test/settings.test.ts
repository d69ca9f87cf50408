import { expect, test } from 'vitest'
import { dataDir, readSettings } from '../src/settings.js'
import type { ServiceFolder, System } from '../src/system.js'

const service = (name: string, port: number, hasDatabase = true): ServiceFolder => ({
  name,
  folder: `/repository/microservices/${name}`,
  entry: `/repository/microservices/${name}/dist/server.js`,
  port,
  portVariable: `${name.toUpperCase()}_PORT`,
  database: hasDatabase ? `${name}_service` : undefined,
  databaseVariable: `${name.toUpperCase()}_DATABASE_URL`
})
const system: System = { root: '/repository', services: [service('user', 3000), service('profile', 3001), service('stateless', 3003, false)], ready: '' }

test('without settings everything is embedded, on the ports of the manifests', () => {
  expect(readSettings(system, {})).toEqual({
    ports: new Map([['user', 3000], ['profile', 3001], ['stateless', 3003]]), kafka: undefined, databases: undefined, dataDir: '/repository/.data'
  })
  expect(dataDir(system, { DATA_DIR: '/elsewhere' })).toBe('/elsewhere')
})

const url = 'postgres://user:secret@db/app'

test.each([
  ['USER_PORT', { USER_PORT: 'http' }],
  ['PROFILE_PORT', { PROFILE_PORT: '65536' }],
  ['PROFILE_PORT', { USER_PORT: '3001' }],
  ['STATELESS_PORT', { STATELESS_PORT: '3000' }],
  ['KAFKA_BROKERS', { KAFKA_BROKERS: 'kafka' }],
  ['KAFKA_BROKERS', { KAFKA_SECURITY_PROTOCOL: 'ssl' }],
  ['KAFKA_SASL_MECHANISM', { KAFKA_BROKERS: 'a:1', KAFKA_SECURITY_PROTOCOL: 'sasl_ssl', KAFKA_SASL_PASSWORD: 'secret' }],
  ['PROFILE_DATABASE_URL', { USER_DATABASE_URL: url }],
  ['USER_DATABASE_URL', { PROFILE_DATABASE_URL: url }],
  ['USER_DATABASE_URL', { USER_DATABASE_URL: 'secret', PROFILE_DATABASE_URL: url }]
])('a wrong %s is named in one line', (name, env) => {
  expect(() => readSettings(system, env)).toThrow(name)
  expect(() => readSettings(system, env)).not.toThrow(/secret|\n/)
})

test('a broker and databases that are given are used as they are; a service that needs no database is asked for none', () => {
  const settings = readSettings(system, { KAFKA_BROKERS: 'a:9092,[::1]:9093', KAFKA_SECURITY_PROTOCOL: 'ssl', USER_DATABASE_URL: url, PROFILE_DATABASE_URL: url })
  expect(settings).toMatchObject({ kafka: { 'metadata.broker.list': 'a:9092,[::1]:9093', 'security.protocol': 'ssl' }, databases: new Map([['user', url], ['profile', url]]) })
})
