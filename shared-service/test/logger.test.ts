import { execFile } from 'node:child_process'
import { PassThrough } from 'node:stream'
import { promisify } from 'node:util'
import { createApp } from 'shared-service'
import { expect, test } from 'vitest'

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

// With no thread free to write in the background.
const killed = 'for (let job = 0; job < 4; job++) pbkdf2("", "", 1e7, 64, "sha512", () => {}); log.fatal("four"); process.kill(process.pid, "SIGKILL")'

test.each(['', 'process.exit(0)', 'throw new Error()', killed])('the last lines before a process ends are written: %s', async how => {
  const script = `import { pbkdf2 } from 'node:crypto'
    import { createApp } from 'shared-service'
    const { log } = createApp('x', { LOG_LEVEL: 'info' })
    for (const line of ['one', 'two', 'three']) log.info(line)
    ${how}`
  const child = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { cwd: import.meta.dirname })
  const { stdout } = await child.catch((failed: { stdout: string }) => failed)
  expect(stdout.trim().split('\n').map(line => JSON.parse(line).msg)).toEqual(['one', 'two', 'three', ...how.includes('four') ? ['four'] : []])
})
