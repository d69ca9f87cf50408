import { execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { freePort } from '@pair/dev'
import { describe, expect, onTestFinished, test, vi } from 'vitest'

const cannotUnshare = (() => {
  try {
    execFileSync('unshare', ['--pid', '--fork', '--mount-proc', 'true'], { stdio: 'ignore' })
    return false
  } catch {
    return 'unshare is not there, or not allowed'
  }
})()

// Loaded ahead of the service: says when somebody listens to SIGTERM, and whether there is a moment later when nobody does.
const watch = `
  process.on('removeListener', name => { if (name === 'SIGTERM' && process.listenerCount(name) === 0) process._rawDebug('nobody listens') })
  const timer = setInterval(() => {
    if (process.listenerCount('SIGTERM') === 0) return
    clearInterval(timer)
    process._rawDebug('listening to signals')
  }, 1)`

/** A service whose broker and database are away, as the first process of a PID namespace or as any other. */
const start = (service: string, isFirst: boolean) =>
  run(['--import', `data:text/javascript,${encodeURIComponent(watch)}`, fileURLToPath(new URL(`../../../microservices/${service}/dist/server.js`, import.meta.url))], isFirst)

function run (args: string[], isFirst: boolean) {
  const command = [process.execPath, ...args]
  const [program = '', ...rest] = isFirst ? ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child', ...command] : command
  const child = spawn(program, rest, {
    env: { PATH: process.env['PATH'], PORT: '0', KAFKA_BROKERS: '127.0.0.1:1', DATABASE_URL: 'postgres://user@127.0.0.1:1/db' }, stdio: ['ignore', 'pipe', 'pipe']
  })
  onTestFinished(() => { child.kill('SIGKILL') })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => { output += String(chunk) })
  const ended = new Promise<number | string>(resolve => child.once('close', (code, signal) => resolve(signal ?? code ?? 0)))
  const said = (text: string) => new Promise<void>((resolve, reject) => {
    const look = () => { if (output.includes(text)) resolve() }
    for (const stream of [child.stdout, child.stderr]) stream.on('data', look)
    look()
    ended.then(() => reject(new Error(`ended without "${text}": ${output}`)))
  })
  const terminate = () => process.kill(isFirst ? Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')) : Number(child.pid), 'SIGTERM')
  return { ended, said, terminate, output: () => output }
}

describe.each(['user', 'profile'])('SIGTERM to the %s service', service => {
  test.for(['any process', 'the first process of a container'])('before it has begun ends it with 0 at once: %s', async (as, { skip }) => {
    const isFirst = as.includes('first')
    if (isFirst) skip(cannotUnshare !== false, String(cannotUnshare))
    const { ended, said, terminate, output } = start(service, isFirst)
    await said('listening to signals')
    terminate()
    expect(await ended).toBe(0)
    expect(output()).not.toMatch(/Server listening|closing/)
  })

  test('finds a listener at every moment until its end', async () => {
    const { ended, said, terminate, output } = start(service, false)
    await said('Server listening')
    terminate()
    expect(await ended).toBe(0)
    expect(output()).toContain('closing')
    expect(output()).not.toContain('nobody listens')
  })
})

test('SIGTERM ends a service whose log nobody reads within its grace time', async () => {
  const port = await freePort()
  const child = spawn(process.execPath, [fileURLToPath(new URL('../../../microservices/user/dist/server.js', import.meta.url))], {
    env: { PATH: process.env['PATH'], PORT: String(port), KAFKA_BROKERS: '127.0.0.1:1', DATABASE_URL: 'postgres://user@127.0.0.1:1/db', LOG_LEVEL: 'trace' }, stdio: ['ignore', 'pipe', 'ignore']
  })
  onTestFinished(() => { child.kill('SIGKILL') })
  const ended = new Promise(resolve => child.once('exit', (code, signal) => resolve(signal ?? code)))
  const url = `http://127.0.0.1:${port}`
  await vi.waitFor(async () => expect((await fetch(`${url}/health/live`)).status).toBe(200), { timeout: 120_000, interval: 50 })
  // 400 bytes a request: a socket keeps some 200 kB of them.
  for (let round = 0; round < 40; round++) await Promise.all(Array.from({ length: 50 }, async () => await (await fetch(`${url}/none`)).arrayBuffer()))
  const started = performance.now()
  child.kill('SIGTERM')
  expect(await ended).toBe(0)
  expect(performance.now() - started).toBeLessThan(30_000) // 10 s, on a machine three times slower
})

test('SIGTERM to what sets up and starts, as the first process of a container, ends it before the script listens itself', async ({ skip }) => {
  skip(cannotUnshare !== false, String(cannotUnshare))
  const script = `import { endWhileAlone } from ${JSON.stringify(new URL('../../../scripts/signals.js', import.meta.url).href)}
    endWhileAlone()
    console.log('here')
    setInterval(() => {}, 1000)`
  const { ended, said, terminate } = run(['--input-type=module', '--eval', script], true)
  await said('here')
  terminate()
  expect(await ended).toBe(143)
})
