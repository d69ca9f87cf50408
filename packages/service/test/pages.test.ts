import { buildService, type ServicePlugin } from '@pair/service'
import { expect, onTestFinished, test } from 'vitest'
import { settingsOf } from '../../../test/fixtures/settings.js'

const html = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }

/** A service without a database and without topics, which needs no broker. */
async function built (plugin: ServicePlugin, env: Record<string, string> = {}) {
  const settings = settingsOf({ KAFKA_BROKERS: '127.0.0.1:1', DATABASE_URL: 'postgres://x@127.0.0.1:1/x', ...env })
  const app = await buildService({ name: 'greeter-service', folder: '/nowhere', port: 3999, hasDatabase: false }, plugin, settings, error => { throw error })
  onTestFinished(() => app.close())
  await app.ready()
  return app
}

test('GET / of a service without routes of its own lists its pages: HTML for a browser, JSON for a program', async () => {
  const app = await built(async () => {})
  const page = await app.inject({ url: '/', headers: html })
  expect(page.headers).toMatchObject({ 'content-type': 'text/html; charset=utf-8', vary: 'accept', 'content-security-policy': expect.stringMatching(/^default-src 'none'; style-src 'sha256-/) })
  const urls = ['/docs', '/docs/events', '/metrics', '/health/live', '/health/ready']
  expect([...page.body.matchAll(/href="(\/[^"]*)"/g)].map(([, url]) => url)).toEqual(urls)
  expect(page.body.length).toBeLessThan(3000)

  for (const headers of [{}, { accept: '*/*' }, { accept: 'application/json' }]) {
    const answer = await app.inject({ url: '/', headers })
    expect(answer.json()).toMatchObject({ title: 'Greeter service', pages: urls.map(url => ({ url, about: expect.any(String) })) })
    expect(answer.headers).toMatchObject({ 'content-type': 'application/json; charset=utf-8', vary: 'accept' })
  }
})

test.each(['/', '/*'])('a service that answers GET %s itself keeps its answer to GET /', async url => {
  const app = await built(async app => { app.get(url, async () => 'its own') })
  expect((await app.inject({ url: '/', headers: html })).body).toBe('its own')
  expect((await app.inject('/docs/events')).statusCode).toBe(200)
})

test('with ADMIN_PORT each port lists its own pages, and /docs sends no request that it cannot', async () => {
  const app = await built(async () => {}, { ADMIN_PORT: '3998' })
  const listed = async (server: typeof app.admin) => (await server.inject('/')).json<{ pages: Array<{ url: string }> }>().pages.map(({ url }) => url)
  expect(await listed(app)).toEqual(['/health/live', '/health/ready'])
  expect(await listed(app.admin)).toEqual(['/docs', '/docs/events', '/metrics'])
  expect((await app.admin.inject('/docs/static/swagger-initializer.js')).body).toContain('"supportedSubmitMethods":[]')
  expect((await (await built(async () => {})).inject('/docs/static/swagger-initializer.js')).body).not.toContain('supportedSubmitMethods')
})

test('/docs documents a route without a schema, and one whose body has an example, which is made anew each time', async () => {
  let count = 0
  const app = await built(async app => {
    app.get('/greeting/:name', async () => 'hello')
    app.post('/greeting', { config: { exampleBody: () => ({ name: `n${++count}` }) }, schema: { body: { type: 'object' } } }, async () => 'hello')
  })
  const { paths } = (await app.inject('/docs/json')).json<{ paths: Record<string, Record<string, { responses: object, requestBody: object }>> }>()
  expect(Object.keys(paths['/greeting/{name}']?.['get']?.responses ?? {})).toEqual(['200', '503', 'default'])
  expect(Object.keys(paths['/greeting']?.['post']?.responses ?? {})).toEqual(['200', '400', '408', '413', '415', '503', 'default'])
  expect(paths['/greeting']?.['post']?.requestBody).toMatchObject({ content: { 'application/json': { example: { name: 'n1' } } } })
  expect((await app.inject('/docs/json')).body).toContain('"example":{"name":"n2"}')
  expect((await app.inject('/docs/yaml')).body).toContain('name: n3')
})

test('the events page of a service without events says so', async () => {
  const app = await built(async () => {})
  expect((await app.inject('/docs/events')).body).toContain('The service neither sends nor receives events.')
})
