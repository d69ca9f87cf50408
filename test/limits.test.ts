import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { describe, expect, test } from 'vitest'
import {
  individualConcurrency, answerTimeoutMs, defaultConcurrency, maxBatch, messagesInFlight, otherWorkConnections, relay, relayMemory, requestConnections, shutdown, statementTimeoutMs, waitForConnectionMs, workConnections
} from '../packages/service/dist/limits.js'
import { permitLimit } from '../packages/kafka/dist/partitions.js'
import { settingsOf } from './fixtures/settings.js'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
const { SHUTDOWN_DELAY_MS, SHUTDOWN_GRACE_MS } = settingsOf({ KAFKA_BROKERS: 'a:1', DATABASE_URL: 'postgres://a@b/c' })

describe('a shutdown by the default settings', () => {
  test('has time for each of its steps, whatever does not answer, before it is ended by force', () => {
    // Requests and messages end side by side, and so do Kafka's clients with request and reply.
    const { requestsMs, messagesMs, consumerMs, producerMs, replyProducerMs, requestReplyMs, ...rest } = shutdown
    expect(replyProducerMs).toBeLessThan(requestReplyMs)
    const longest = Math.max(requestsMs, messagesMs) + Math.max(consumerMs + producerMs, requestReplyMs) + Object.values(rest).reduce((sum, ms) => sum + ms)
    expect(longest).toBeLessThanOrEqual(SHUTDOWN_GRACE_MS - 500)
  })

  test('lets a request hear from a database that is silent, and a message end that asks it', () => {
    expect(shutdown.requestsMs).toBeGreaterThanOrEqual(waitForConnectionMs + answerTimeoutMs)
    expect(shutdown.messagesMs).toBeGreaterThan(shutdown.requestsMs)
  })

  test('is over before the launcher or Compose ends the service', () => {
    const launcherMs = Number(/const SHUTDOWN_MS = ([\d_]+)/.exec(read('packages/dev/src/managed-service.ts'))?.[1]?.replaceAll('_', ''))
    expect(launcherMs).toBeGreaterThanOrEqual(SHUTDOWN_DELAY_MS + SHUTDOWN_GRACE_MS + 2000)
    const services = Object.entries(parse(read('docker-compose.yml'), { merge: true }).services as Record<string, { build?: unknown, stop_grace_period?: string }>).filter(([, { build }]) => build !== undefined)
    expect(services.length).toBeGreaterThanOrEqual(2)
    for (const [name, { stop_grace_period: period }] of services) expect(Number(/^(\d+)s$/.exec(period ?? '')?.[1]) * 1000, name).toBeGreaterThanOrEqual(SHUTDOWN_DELAY_MS + SHUTDOWN_GRACE_MS + 2000)
  })
})

test('a caller hears within 2 s of a database that is away, and the server stops before that', () => {
  expect(waitForConnectionMs + answerTimeoutMs).toBeLessThan(2000)
  expect(statementTimeoutMs).toBeLessThan(answerTimeoutMs)
})

test('handlers and the service\'s own work have a connection each, and what is stored alone leaves some to requests', () => {
  expect(workConnections).toBeGreaterThanOrEqual(defaultConcurrency + otherWorkConnections)
  expect(individualConcurrency).toBeLessThan(requestConnections)
})

test('a batch takes whatever the client hands out, and where a process has died as many messages are stepped through as it had', () => {
  expect(messagesInFlight).toBe(permitLimit) // stepping.ts steps through that many
  expect(maxBatch).toBeGreaterThanOrEqual(messagesInFlight)
  expect(read('packages/kafka/README.md')).toContain(`At most ${permitLimit} messages`)
})

test('a lease outlasts three renewals that fail, and a read of the outbox goes beyond what is held when it begins', () => {
  expect(relay.leaseS * 1000).toBeGreaterThan(3 * relay.scanEveryMs)
  expect(relayMemory.readRows).toBeLessThanOrEqual(relayMemory.maxRows)
  expect(relayMemory.readBytes).toBeLessThanOrEqual(relayMemory.maxBytes)
})
