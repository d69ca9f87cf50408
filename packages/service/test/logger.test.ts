import { execFile, spawn } from 'node:child_process'
import { PassThrough, type Writable } from 'node:stream'
import { promisify } from 'node:util'
import { createApp } from '@pair/service'
import { describe, expect, onTestFinished, test, vi } from 'vitest'

test('neither the plugin\'s lines nor a member called email or payload nor a failed query reach the log', () => {
  const lines: string[] = []
  const stream = new PassThrough().on('data', line => lines.push(String(line)))
  const { log } = createApp('x', { LOG_LEVEL: 'trace' }, stream)
  const write = log.debug.bind(log) as (...args: unknown[]) => void
  write('kafka-producer:pushing message %o', { payload: 'secret' })
  write('kafka-consumer:onData', { value: 'secret' })
  log.error({ err: new Error('x') }, 'kafka-producer:push-error')
  log.info({ email: 'secret', event: { payload: 'secret', data: { email: 'secret' } } }, 'x')
  const cause = Object.assign(new Error('secret'), { severity: 'ERROR', code: '22021', detail: 'secret' })
  log.error({ err: Object.assign(new Error('Failed query: insert params: secret'), { cause }) }, 'y')
  expect(lines.join('')).not.toContain('secret')
  expect(lines.join('')).not.toContain('push-error')
  expect(lines.length).toBeGreaterThan(2)
})

test('each request is one line at info, with its method and route, its status and its time, and one at debug before it', async () => {
  const lines: Array<Record<string, unknown>> = []
  const app = createApp('x', { LOG_LEVEL: 'debug' }, new PassThrough().on('data', line => lines.push(JSON.parse(String(line)))))
  app.get('/user/:id', async () => 'found')
  await app.inject('/user/secret')
  await app.inject('/nowhere/secret')
  const req = (route: string) => ({ method: 'GET', route, remoteAddress: '127.0.0.1' })
  await vi.waitFor(() => expect(lines.filter(({ msg }) => String(msg).includes('request'))).toMatchObject([
    { level: 20, msg: 'incoming request', req: req('/user/:id') },
    { level: 30, msg: 'request completed', req: req('/user/:id'), res: { statusCode: 200 }, responseTime: expect.any(Number) },
    { level: 20, msg: 'incoming request', req: req('none') },
    { level: 30, msg: 'request completed', req: req('none'), res: { statusCode: 404 }, responseTime: expect.any(Number) }
  ]))
  expect(JSON.stringify(lines)).not.toContain('secret')
})

// With no thread free to write in the background.
const killed = 'for (let job = 0; job < 4; job++) pbkdf2("", "", 1e7, 64, "sha512", () => {}); log.fatal("four"); process.kill(process.pid, "SIGKILL")'

test.each(['', 'process.exit(0)', 'throw new Error()', killed])('the last lines before a process ends are written: %s', async how => {
  const script = `import { pbkdf2 } from 'node:crypto'
    import { createApp } from '@pair/service'
    const { log } = createApp('x', { LOG_LEVEL: 'info' })
    for (const line of ['one', 'two', 'three']) log.info(line)
    ${how}`
  const child = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { cwd: import.meta.dirname })
  const { stdout } = await child.catch((failed: { stdout: string }) => failed)
  expect(stdout.trim().split('\n').map(line => JSON.parse(line).msg)).toEqual(['one', 'two', 'three', ...how.includes('four') ? ['four'] : []])
})

// Twenty thousand lines are 22 MB: more than a pipe and the process keep.
const manyLines = `import { createApp } from '@pair/service'
  const { log } = createApp('x', { LOG_LEVEL: 'info' })
  for (let line = 0; line < 20_000; line++) log.info({ text: 'x'.repeat(1000) }, 'line')`

/** Its standard output is a pipe, as under a shell and in a container, or a socket, as under Node; nobody reads it until somebody does. */
function start (kind: string, script: string) {
  const command = [process.execPath, '--input-type=module', '--eval', script]
  const shell = kind === 'pipe' ? '{ "$@"; echo "ended with $?" >&2; } | { read -r go <&3; cat; }' : '"$@"; echo "ended with $?" >&2'
  const child = spawn('sh', ['-c', shell, 'sh', ...command], { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'pipe', 'pipe'], detached: true })
  onTestFinished(() => {
    try {
      process.kill(-Number(child.pid), 'SIGKILL')
    } catch {
      // It has ended.
    }
  })
  child.stdio[3]?.on('error', () => {}) // nobody takes it where it is a socket
  let said = ''
  child.stderr?.on('data', chunk => { said += String(chunk) })
  const read = async () => {
    (child.stdio[3] as Writable).end('go\n')
    let text = ''
    for await (const chunk of child.stdout ?? []) text += String(chunk)
    return text.trim().split('\n').map(line => JSON.parse(line))
  }
  return { hasSaid: async (text: string) => await vi.waitFor(() => expect(said).toContain(text), 60_000), read }
}

describe.each(['pipe', 'socket'])('a log that nobody reads (a %s)', kind => {
  test('keeps no process from ending, not even after a fatal line', async () => {
    const { hasSaid } = start(kind, `${manyLines}
      log.fatal('fatal')
      setTimeout(() => process.exit(0), 100)`)
    await hasSaid('ended with 0')
  }, 20_000)

  test('is kept up to a bound; once it is read, it says how many lines were dropped', async () => {
    const { hasSaid, read } = start(kind, `${manyLines}
      setTimeout(() => process._rawDebug('waiting'), 50)`)
    await hasSaid('waiting')
    const lines = await read()
    const dropped = lines.at(-1)
    expect(dropped).toMatchObject({ level: 40, name: 'x', msg: 'log lines dropped: standard output was not read' })
    expect(dropped.dropped).toBeGreaterThan(10_000)
    expect(lines.length - 1 + dropped.dropped).toBe(20_000)
  }, 20_000)
})
