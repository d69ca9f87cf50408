import { readFileSync } from 'node:fs'
import { readSystem } from '@pair/dev'
import { describe, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { settingsOf } from './fixtures/settings.js'

interface Service {
  image: string
  restart?: string
  stop_grace_period?: string
  ports?: string[]
  environment?: Record<string, string | number>
  build?: { args: Record<string, string> }
  depends_on?: Record<string, { condition: string }>
  healthcheck?: { test: string[] }
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
const services = readSystem().services
const workspaces: string[] = JSON.parse(read('package.json')).workspaces

describe('compose', () => {
  test('publishes the documented ports, on loopback only', () => {
    const published = Object.fromEntries(Object.entries(compose.services).flatMap(([name, { ports }]) => ports ? [[name, ports]] : []))
    expect(published).toMatchObject({
      kafka: ['127.0.0.1:9092:9092'],
      'profile-port': ['127.0.0.1:3001:3001'],
      grafana: ['127.0.0.1:3002:3000'],
      prometheus: ['127.0.0.1:9090:9090'],
      'kafka-ui': ['127.0.0.1:8080:8080']
    })
    const all = Object.values(published).flat()
    for (const port of all) expect(port).toMatch(/^127\.0\.0\.1:/)
    expect(new Set(all.map(port => port.split(':')[1])).size).toBe(all.length)
    for (const { name, port } of services) expect([`127.0.0.1:${port}:${port}`]).toEqual(published[name] ?? published[`${name}-port`])
  })

  test('starts the services when Kafka is healthy and their databases are there, and everything again when it ends', () => {
    expect(service('databases').depends_on).toEqual({ postgres: { condition: 'service_healthy' } })
    for (const { name } of services) {
      expect(service(name).depends_on).toEqual({ kafka: { condition: 'service_healthy' }, databases: { condition: 'service_completed_successfully' } })
    }
    expect(service('profile-port').restart).toBe('unless-stopped')
    for (const name of ['kafka', 'postgres', ...services.map(({ name }) => name)]) {
      expect(service(name).healthcheck?.test, name).toBeDefined()
      expect(service(name).restart, name).toBe('unless-stopped')
    }
  })

  test('gives a service more time to end than it takes at most', () => {
    const { SHUTDOWN_DELAY_MS, SHUTDOWN_GRACE_MS } = settingsOf({ KAFKA_BROKERS: 'a:1', DATABASE_URL: 'postgres://a@b/c' })
    for (const { name } of services) {
      expect(service(name).environment).not.toHaveProperty('SHUTDOWN_DELAY_MS')
      expect(Number(/^(\d+)s$/.exec(service(name).stop_grace_period ?? '')?.[1]) * 1000).toBeGreaterThan(SHUTDOWN_DELAY_MS + SHUTDOWN_GRACE_MS)
    }
  })

  test('tells the services an address that Kafka advertises', () => {
    const advertised = setting('kafka', 'KAFKA_ADVERTISED_LISTENERS').split(',').map(listener => listener.replace(/^\w+:\/\//, ''))
    expect(advertised).toContain('127.0.0.1:9092')
    for (const { name } of services) expect(advertised).toContain(setting(name, 'KAFKA_BROKERS'))
  })

  test('gives each service a database of its own', () => {
    const databases = services.filter(({ database }) => database !== undefined).map(({ name, database }) => {
      const { username, password, pathname, host } = new URL(setting(name, 'DATABASE_URL'))
      expect({ username, password, pathname, host }).toEqual({ username: database, password: name, pathname: `/${database}`, host: 'postgres:5432' })
      return pathname
    })
    expect(new Set(databases).size).toBe(databases.length)
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
    for (const { name } of services) {
      expect(read('Dockerfile')).toContain(`ARG NODE_IMAGE=${byDefault(service(name).build?.args.NODE_IMAGE, 'NODE_IMAGE')}\n`)
      expect(service(name).build?.args.SERVICE).toBe(name)
    }
  })
})

test('the image is built from the manifest of every workspace, without which npm refuses the lock file', () => {
  const sent = read('.dockerignore').split('\n')
  for (const workspace of workspaces) expect(sent).toContain(`!${workspace.split('/')[0]}`)
})
