import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '@pair/dev'
import { expect, onTestFinished, test } from 'vitest'

const here = fileURLToPath(new URL('.', import.meta.url))

/** A service of a test: its folder as `npm run build` leaves it. */
async function newService (name: string, manifest: object, app: string): Promise<string> {
  const parent = await mkdtemp(join(here, 'service-'))
  onTestFinished(() => rm(parent, { recursive: true, force: true }))
  await mkdir(join(parent, name, 'dist'), { recursive: true })
  await writeFile(join(parent, name, 'package.json'), JSON.stringify({ type: 'module', ...manifest }))
  await writeFile(join(parent, name, 'dist/server.js'), "import { start } from '@pair/service/start'\nawait start(() => import('./app.js'))\n")
  await writeFile(join(parent, name, 'dist/app.js'), app)
  return join(parent, name, 'dist/server.js')
}

function run (entry: string, env: Record<string, string>) {
  const child = spawn(process.execPath, [entry], { env: { PATH: process.env['PATH'], KAFKA_BROKERS: '127.0.0.1:1', ...env }, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', chunk => { said += String(chunk) })
  const ended = new Promise<{ code: number | null, said: string }>(resolve => child.on('close', code => resolve({ code, said })))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { child, ended }
}

async function get (port: number | undefined, path: string): Promise<{ status: number, body: string }> {
  for (const deadline = performance.now() + 120_000; ;) {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`).catch(error => { if (performance.now() > deadline) throw error })
    if (answer) return { status: answer.status, body: await answer.text() }
  }
}

/** The pages that GET / lists. */
async function pagesAt (port: number): Promise<string[]> {
  const { pages } = JSON.parse((await get(port, '/')).body) as { pages: Array<{ url: string }> }
  return pages.map(({ url }) => url)
}

const greeter = `
import { Type } from 'typebox'
export const settings = { GREETING: Type.String({ minLength: 3, description: 'at least three letters' }) }
export default async function greeterService (app) { app.get('/greeting', async () => ({ greeting: app.settings.GREETING })) }`

test('a service has settings of its own, which are checked at its start like all others', async () => {
  const entry = await newService('greeter', { service: { port: 3999 } }, greeter)
  for (const [env, rest] of [[{}, ', and is not set'], [{ GREETING: 'a' }, '']] as const) {
    const { ended } = run(entry, env as Record<string, string>)
    expect(await ended).toEqual({ code: 1, said: `greeter-service: GREETING must be at least three letters${rest}\n` })
  }
})

test('a service without a database and without topics is ready, says nothing of a database, and needs no DATABASE_URL', async () => {
  const port = await freePort()
  run(await newService('greeter', { service: { port } }, greeter), { GREETING: 'hello' })
  expect(JSON.parse((await get(port, '/greeting')).body)).toEqual({ greeting: 'hello' })
  const { status, body } = await get(port, '/health/ready')
  expect({ status, ...JSON.parse(body) }).toEqual({ status: 'ok', checks: { kafka: 'up' } })
})

test('a manifest without a port ends the start with one line that names the file', async () => {
  const entry = await newService('greeter', {}, greeter)
  const { ended } = run(entry, { GREETING: 'hello' })
  expect(await ended).toEqual({ code: 1, said: expect.stringMatching(/^the service: .*greeter\/package\.json needs "service": { "port": 1 to 65535 }\n$/) })
})

test('metrics and docs are at ADMIN_PORT alone, where it is given, and GET / lists the pages of its own port', async () => {
  const port = await freePort()
  const adminPort = await freePort()
  const entry = await newService('greeter', { service: { port } }, greeter)
  const { child, ended } = run(entry, { GREETING: 'hello', ADMIN_PORT: String(adminPort) })
  for (const path of ['/metrics', '/docs/', '/docs/events', '/docs/events.json', '/docs/json']) {
    expect([path, (await get(adminPort, path)).status, (await get(port, path)).status]).toEqual([path, 200, 404])
  }
  expect(JSON.parse((await get(adminPort, '/docs/json')).body).paths).toHaveProperty('/greeting')
  expect((await get(adminPort, '/greeting')).status).toBe(404)
  expect(await pagesAt(port)).toEqual(['/health/live', '/health/ready'])
  expect(await pagesAt(adminPort)).toEqual(['/docs', '/docs/events', '/metrics'])
  child.kill('SIGTERM')
  expect((await ended).code).toBe(0)

  run(entry, { GREETING: 'hello' })
  expect(await pagesAt(port)).toEqual(['/docs', '/docs/events', '/metrics', '/health/live', '/health/ready'])
})

test('a request to ADMIN_PORT that does not end keeps no service from ending with 0', async () => {
  const port = await freePort()
  const adminPort = await freePort()
  const { child, ended } = run(await newService('greeter', { service: { port } }, greeter), { GREETING: 'hello', ADMIN_PORT: String(adminPort) })
  expect(await pagesAt(adminPort)).toContain('/metrics')
  const socket = connect(adminPort, '127.0.0.1').on('error', () => {})
  onTestFinished(() => { socket.destroy() })
  await new Promise<void>(resolve => socket.write('GET /metrics HTTP/1.1\r\n', () => resolve()))
  expect((await get(adminPort, '/metrics')).status).toBe(200) // the half of a request before it has arrived
  child.kill('SIGTERM')
  expect((await ended).code).toBe(0) // 1 at its time limit
})
