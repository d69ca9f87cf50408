import type {} from '@fastify/under-pressure'
import { expect, test, vi } from 'vitest'
import { createApp } from '../dist/http/app.js'

function keepBusy (): void {
  for (const until = performance.now() + 2000; performance.now() < until;);
}

test('a service that was busy with its own start answers its first requests', async () => {
  const app = createApp('x', { LOG_LEVEL: 'silent' })
  app.register(async app => {
    app.get('/', async () => 'done')
    keepBusy()
  })
  await app.ready()
  await vi.waitFor(() => expect(app.isUnderPressure()).toBe(true))
  expect((await app.inject('/')).body).toBe('done')
  await app.close()
})

test('a request that comes while the event loop is a second late is answered 503 with Retry-After, and health is answered as ever', async () => {
  const lines: string[] = []
  const app = createApp('x', { LOG_LEVEL: 'warn' }, { write: (line: string) => lines.push(line) } as never)
  app.get('/', async () => 'done')
  app.get('/health/live', async () => 'alive')
  await app.ready()
  const answer = await vi.waitFor(async () => {
    keepBusy()
    await vi.waitFor(() => expect(app.isUnderPressure()).toBe(true))
    const answer = await app.inject('/')
    expect(answer.statusCode).toBe(503)
    return answer
  }, 60_000)
  expect(answer.headers).toMatchObject({ 'retry-after': '1', 'content-type': expect.stringContaining('application/problem+json') })
  expect(answer.json()).toMatchObject({ type: 'urn:problem:overloaded', status: 503 })
  expect((await app.inject('/health/live')).body).toBe('alive')
  expect(lines.filter(line => line.includes('overloaded'))).toHaveLength(1)
  await expect.poll(async () => (await app.inject('/')).body, { timeout: 60_000 }).toBe('done')
  await app.close()
})
