import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { useBroker } from '../../../test/fixtures/harness.js'
import { isReady, metricsOf } from '../../../test/fixtures/services.js'
import { call, found, newEmail, newSystem, postOrder, signUp, unlessBusy } from './payments-system.js'

// What the gateway does for all routes.

useBroker()

const securityHeaders = {
  'content-security-policy': expect.stringContaining("default-src 'self'"),
  'strict-transport-security': expect.stringContaining('max-age='),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'SAMEORIGIN',
  'referrer-policy': 'no-referrer'
}

test('every answer has security headers: 202, 400, 404, 413, 415 and 429, whatever the method', async () => {
  const system = await newSystem()
  await system.run('auth')
  const [gateway, limited] = [await system.run('api-gateway'), await system.run('api-gateway', { RATE_LIMIT_PER_MINUTE: '1' })]
  await found(gateway, `/api/users/${await signUp(gateway)}`, { status: 200 }) // it reads replies from now on
  const signUpWith = async (init: object) => await unlessBusy(async () => await call(gateway, '/api/auth/sign-up', { method: 'POST', ...init }))
  const headers = { 'content-type': 'application/json' }
  const answers = [
    await signUpWith({ headers, body: JSON.stringify({ name: 'Bruce Wayne', email: newEmail() }) }),
    await postOrder(gateway, { userId: randomUUID(), amount: 1, currency: 'EUR' }),
    await call(gateway, '/nowhere'),
    await call(gateway, '/api/users/bruce'),
    await signUpWith({ headers, body: JSON.stringify({ name: 'x'.repeat(20_000), email: newEmail() }) }),
    await signUpWith({ body: 'text' }),
    await found(gateway, `/api/users/${randomUUID()}`, { status: 404 }),
    await call(gateway, '/api/payments/pay', { method: 'PROPFIND' }),
    await call(gateway, '/nowhere', { method: 'PURGE' }),
    await call(limited, '/api/users/bruce'),
    await call(limited, '/api/users/bruce')
  ]
  expect(answers.map(({ status }) => status)).toEqual([202, 400, 404, 404, 413, 415, 404, 404, 404, 404, 429])
  for (const { status, headers } of answers) expect(Object.fromEntries(headers), String(status)).toMatchObject(securityHeaders)
  for (const { headers } of answers.slice(1)) expect(headers.get('content-type')).toMatch('application/problem+json')
})

test('more requests than its limit are refused with 429 and Retry-After, whatever path and method; health checks and metrics are not counted', async () => {
  const gateway = await (await newSystem()).run('api-gateway', { RATE_LIMIT_PER_MINUTE: '5' })
  const requests = [['GET', '/nowhere'], ['GET', '/api/users/bruce'], ['PROPFIND', '/elsewhere'], ['GET', '/api/payments/none'], ['PURGE', '/api/payments/pay']] as const
  for (const [method, path] of requests) expect((await call(gateway, path, { method })).status).toBe(404)
  const refused = await call(gateway, '/nowhere')
  expect(refused).toMatchObject({ status: 429, body: { type: 'urn:problem:rate-limited', status: 429 } })
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60)
  expect((await call(gateway, '/nowhere', { method: 'PROPFIND' })).status).toBe(429)
  for (let request = 0; request < 10; request++) {
    await isReady(gateway)
    expect(Object.keys(await metricsOf(gateway))).not.toEqual([])
  }
})

test('GET / leads to the pages for operators', async () => {
  const gateway = await (await newSystem()).run('api-gateway')
  const { status, body } = await call(gateway, '/')
  expect(status).toBe(200)
  expect((body['pages'] as Array<{ url: string }>).map(({ url }) => url)).toEqual(['/docs', '/docs/events', '/metrics', '/health/live', '/health/ready'])
})
