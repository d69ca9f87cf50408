import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { startAnnounced } from '@pair/kafka/announced-process'
import { expect, onTestFinished, test, vi } from 'vitest'

/** A script that announces the body's result. */
async function script (body: string): Promise<URL> {
  const folder = await mkdtemp(join(tmpdir(), 'announced-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'script.mjs')
  await writeFile(path, `
    import { writeFileSync } from 'node:fs'
    import { announce } from ${JSON.stringify(new URL('../dist/announced-process.js', import.meta.url).href)}
    announce(async () => { ${body} })
    setInterval(() => {}, 1000)`)
  return pathToFileURL(path)
}

test('a task in a child process returns its result, and its process ends when the channel is closed', async () => {
  const { child, announced, ended } = await startAnnounced('a sum', await script('return { sum: Number(process.argv[2]) + Number(process.argv[3]) }'), ['1', '2'])
  expect(announced).toEqual({ sum: 3 })
  child.disconnect()
  expect(await ended).toBe(0)
})

test('a failed task rejects with its reason, and a process that ended early with its exit code', async () => {
  await expect(startAnnounced('a task', await script('throw new Error("no such topic")'))).rejects.toThrow(/^no such topic$/)
  await expect(startAnnounced('a task', await script('process.exit(3)'))).rejects.toThrow(/^a task ended with 3 before it was ready$/)
})

test('an aborted task is killed, even if it ignores SIGTERM', async () => {
  const end = new AbortController()
  const path = await script('process.on("SIGTERM", () => {}); writeFileSync(process.argv[2], String(process.pid)); await new Promise(() => {})')
  const pidFile = fileURLToPath(new URL('pid', path))
  const started = startAnnounced('a task', path, [pidFile], end.signal)
  const pid = await vi.waitFor(() => Number(readFileSync(pidFile, 'utf8') || NaN), { timeout: 120_000 })
  end.abort()
  await expect(started).rejects.toMatchObject({ name: 'AbortError' })
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), { timeout: 120_000 })
})
