import { readFileSync } from 'node:fs'
import { userRegister } from 'shared-topics'
import { describe, expect, test, vi } from 'vitest'
import { parse } from 'yaml'

interface Service {
  image: string
  restart?: string
  stop_grace_period?: string
  ports?: string[]
  environment?: Record<string, string | number>
  build?: { args: Record<string, string> }
  depends_on?: Record<string, { condition: string }>
  healthcheck?: { test: string[] }
  command?: string[]
}
const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
const compose: { services: Record<string, Service> } = parse(read('docker-compose.yml'), { merge: true })
const service = (name: string): Service => {
  const found = compose.services[name]
  if (found === undefined) throw new Error(`docker-compose.yml has no service ${name}`)
  return found
}
const setting = (name: string, key: string) => String(service(name).environment?.[key])
/** What `${NAME:-value}` stands for while NAME is not set. */
const byDefault = (text: string | undefined, name: string) => text?.match(`^\\$\\{${name}:-(.+)\\}$`)?.[1]
const workspaces: string[] = JSON.parse(read('package.json')).workspaces

describe('compose', () => {
  test('follows the topic that the contract names', () => {
    const { command = [] } = service('events')
    expect(command[command.indexOf('--topic') + 1]).toBe(userRegister.name)
  })

  test('publishes the documented ports, on loopback only', () => {
    const published = Object.fromEntries(Object.entries(compose.services).flatMap(([name, { ports }]) => ports ? [[name, ports]] : []))
    expect(published).toEqual({
      kafka: ['127.0.0.1:9092:9092'],
      user: ['127.0.0.1:3000:3000'],
      'profile-port': ['127.0.0.1:3001:3001'],
      grafana: ['127.0.0.1:3002:3000'],
      prometheus: ['127.0.0.1:9090:9090'],
      'kafka-ui': ['127.0.0.1:8080:8080']
    })
    expect([setting('user', 'PORT'), setting('profile', 'PORT')]).toEqual(['3000', '3001'])
  })

  test('starts the services when Kafka and PostgreSQL are healthy, and everything again when it ends', () => {
    for (const name of ['user', 'profile']) {
      expect(service(name).depends_on).toEqual({ kafka: { condition: 'service_healthy' }, postgres: { condition: 'service_healthy' } })
      expect(service(name).stop_grace_period).toBe('15s')
    }
    expect(service('profile-port').restart).toBe('unless-stopped')
    for (const name of ['kafka', 'postgres', 'user', 'profile']) {
      expect(service(name).healthcheck?.test, name).toBeDefined()
      expect(service(name).restart, name).toBe('unless-stopped')
    }
  })

  test('tells the services an address that Kafka advertises', () => {
    const advertised = setting('kafka', 'KAFKA_ADVERTISED_LISTENERS').split(',').map(listener => listener.replace(/^\w+:\/\//, ''))
    expect(advertised).toContain('127.0.0.1:9092')
    for (const name of ['user', 'profile']) expect(advertised).toContain(setting(name, 'KAFKA_BROKERS'))
  })

  test('gives each service a database of its own, which the start of PostgreSQL creates', () => {
    const created = read('docker-compose.databases.sql')
    const databases = ['user', 'profile'].map(name => {
      const { username, password, pathname, host } = new URL(setting(name, 'DATABASE_URL'))
      expect(created).toContain(`CREATE ROLE ${username} LOGIN PASSWORD '${password}'`)
      expect(created).toContain(`CREATE DATABASE ${pathname.slice(1)} OWNER ${username}`)
      expect(host).toBe('postgres:5432')
      return pathname
    })
    expect(new Set(databases).size).toBe(2)
  })

  test('runs the images that the suites and the Dockerfile name, at the version that CI takes from Maven', async () => {
    vi.stubEnv('KAFKA_IMAGE', undefined)
    vi.stubEnv('POSTGRES_IMAGE', undefined)
    const images = await import('./fixtures/images.js')
    vi.unstubAllEnvs()
    expect(byDefault(service('kafka').image, 'KAFKA_IMAGE')).toBe(images.kafkaImage)
    expect(byDefault(service('events').image, 'KAFKA_IMAGE')).toBe(images.kafkaImage)
    expect(byDefault(service('postgres').image, 'POSTGRES_IMAGE')).toBe(images.postgresImage)
    expect(read('.ci/kafka/pom.xml')).toContain(`<version>${images.kafkaImage.split(':')[1]}</version>`)
    for (const name of ['user', 'profile']) {
      expect(read('Dockerfile')).toContain(`ARG NODE_IMAGE=${byDefault(service(name).build?.args.NODE_IMAGE, 'NODE_IMAGE')}\n`)
      expect(service(name).build?.args.SERVICE).toBe(name)
    }
  })
})

test('the image is built from the manifest of every workspace, without which npm refuses the lock file', () => {
  const sent = read('.dockerignore').split('\n')
  for (const workspace of workspaces) {
    expect(read('Dockerfile')).toContain(`COPY ${workspace}/package.json ${workspace}/\n`)
    expect(sent.some(line => [`!${workspace}`, `!${workspace.split('/')[0]}`, `!${workspace}/package.json`].includes(line)), workspace).toBe(true)
  }
})
