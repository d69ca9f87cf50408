import { closeSync, openSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { entryOf, freePort, isHealthy, startService } from '@pair/dev'

const READY_LIMIT_MS = 60_000

/** One of the two released services; its log goes to /dev/null, so that reading it takes no CPU. */
export async function startShipped (name: 'user' | 'profile', settings: Record<string, string>) {
  const port = await freePort()
  const log = openSync(process.env['BENCH_LOG'] ?? '/dev/null', 'a')
  const execArgv = process.env['BENCH_PROF'] ? ['--cpu-prof', `--cpu-prof-dir=${process.env['BENCH_PROF']}`] : []
  const { pid, kill, ended } = startService(entryOf(name), { PATH: process.env['PATH'], PORT: String(port), NODE_ENV: 'production', ...settings }, { log, execArgv })
  closeSync(log) // the child has its own descriptor
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    pid,
    ready: async () => {
      for (const deadline = Date.now() + READY_LIMIT_MS; !await isHealthy(url); await delay(20)) {
        if (Date.now() > deadline) throw new Error(`the ${name} service is not ready after ${READY_LIMIT_MS / 1000} s`)
      }
    },
    close: async () => {
      kill('SIGTERM')
      await ended
    }
  }
}
