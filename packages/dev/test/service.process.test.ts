import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startLogged } from '@pair/dev'
import { expect, test } from 'vitest'
import { gone, repository, run, temporary } from './running.js'

/** Writes the entry file of a service with this source. */
async function entry (body: string): Promise<string> {
  const path = join(await temporary(), 'server.mjs')
  await writeFile(path, body)
  return path
}

const listening = 'console.log(JSON.stringify({ msg: "Server listening at http://127.0.0.1:1" })); setInterval(() => {}, 1000);'

test('a service ends with the process that started it, even if that is killed', async () => {
  const path = await entry(listening)
  const starter = run(['--input-type=module', '--eval', `
    import { startLogged } from ${JSON.stringify(join(repository, 'packages/dev/dist/index.js'))}
    const service = startLogged(${JSON.stringify(path)}, {}, { onLog () {}, onError () {} })
    await service.listening
    console.log('started', service.pid)`])
  const pid = Number(await starter.said(/started (\d+)/))
  starter.kill('SIGKILL')
  await gone([pid])
})

test('a service that ends before it listens is named in one line, with how it ended and what it wrote to standard error', async () => {
  const { listening: never, ended } = startLogged(await entry('console.error("PORT must be a number"); process.exit(3)'), {}, { onLog () {}, onError () {} })
  await expect(never).rejects.toThrow(/^\S+server\.mjs ended with 3 before it listened: PORT must be a number$/)
  expect(await ended).toBe(3)
})

test('a service\'s log is read line by line, including lines that are not JSON or were truncated by a kill', async () => {
  const lines: unknown[] = []
  const path = await entry(`console.log('no JSON'); ${listening} process.stdout.write('{"msg":"cut', () => process.kill(process.pid, 'SIGKILL'))`)
  const service = startLogged(path, {}, { onLog (text, line) { lines.push(line ?? text) }, onError (text) { lines.push(text) } })
  expect(await service.listening).toBe('http://127.0.0.1:1')
  expect(await service.ended).toBe('SIGKILL')
  expect(lines).toEqual(['no JSON', { msg: 'Server listening at http://127.0.0.1:1' }, '{"msg":"cut'])
})
