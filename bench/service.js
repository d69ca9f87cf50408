import { spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'

/**
 * One of the two services as it is shipped, its log thrown away. Resolves when it is ready.
 *
 * @param {'user' | 'profile'} name
 * @param {Record<string, string>} settings
 */
export async function startService (name, settings) {
  const port = await freePort()
  const log = openSync(process.env['BENCH_LOG'] ?? '/dev/null', 'a')
  const profiling = process.env['BENCH_PROF'] ? ['--cpu-prof', `--cpu-prof-dir=${process.env['BENCH_PROF']}`] : []
  const child = spawn(process.execPath, [...profiling, fileURLToPath(new URL(`../microservices/${name}/dist/server.js`, import.meta.url))], {
    env: { PATH: process.env['PATH'], PORT: String(port), NODE_ENV: 'production', ...settings }, stdio: ['ignore', log, 'inherit']
  })
  const end = () => { child.kill('SIGKILL') }
  process.once('exit', end)
  const ended = new Promise(resolve => child.once('exit', resolve)).finally(() => process.off('exit', end))
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    pid: /** @type {number} */ (child.pid),
    ready: async () => {
      for (const deadline = Date.now() + 60_000; ;) {
        const status = await fetch(`${url}/health/ready`).then(answer => answer.status, () => 0)
        if (status === 200) return
        if (Date.now() > deadline) throw new Error(`the ${name} service is not ready: ${status}`)
        await new Promise(resolve => setTimeout(resolve, 20))
      }
    },
    close: async () => {
      child.kill('SIGTERM')
      await ended
    }
  }
}

/** @returns {Promise<number>} */
function freePort () {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
      server.close(() => resolve(port))
    })
  })
}
