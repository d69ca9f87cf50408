import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { startAnnounced } from '@pair/kafka/announced-process'
import { expect, onTestFinished, test, vi } from 'vitest'

/** A script that answers with what the body returns. */
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

test('a task in a process of its own answers with its result, and ends when it is let go', async () => {
  const { child, announced, ended } = await startAnnounced('a sum', await script('return { sum: Number(process.argv[2]) + Number(process.argv[3]) }'), ['1', '2'])
  expect(announced).toEqual({ sum: 3 })
  child.disconnect()
  expect(await ended).toBe(0)
})

test('the reason why a task failed is told, and how its process ended before it could tell', async () => {
  await expect(startAnnounced('a task', await script('throw new Error("no such topic")'))).rejects.toThrow(/^no such topic$/)
  await expect(startAnnounced('a task', await script('process.exit(3)'))).rejects.toThrow(/^a task ended with 3 before it was ready$/)
})

test('a task that is given up is ended, whatever it does', async () => {
  const end = new AbortController()
  const path = await script('process.on("SIGTERM", () => {}); writeFileSync(process.argv[2], String(process.pid)); await new Promise(() => {})')
  const pidFile = fileURLToPath(new URL('pid', path))
  const started = startAnnounced('a task', path, [pidFile], end.signal)
  const pid = await vi.waitFor(() => Number(readFileSync(pidFile, 'utf8') || NaN), { timeout: 120_000 })
  end.abort()
  await expect(started).rejects.toMatchObject({ name: 'AbortError' })
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), { timeout: 120_000 })
})
