import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { EMBEDDED_BROKER_SETTINGS, entryOf, freePort } from '@pair/dev'
import { onTestFinished } from 'vitest'
import { brokers, isEmbedded, prefix } from '../../../test/fixtures/harness.js'
import { eventually } from '../../../test/fixtures/services.js'

/** A service whose standard output nobody reads until `read` is called. Resolves when it consumes. */
export async function startUnread (name: string) {
  const port = await freePort()
  const child = spawn(process.execPath, [entryOf(name)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], PORT: String(port), KAFKA_BROKERS: brokers, KAFKA_PREFIX: prefix, KAFKA_SESSION_TIMEOUT_MS: '3000', ...isEmbedded && EMBEDDED_BROKER_SETTINGS }
  })
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const isConsuming = async () => (await fetch(`http://127.0.0.1:${port}/health/consuming`)).ok
  await eventually(async () => { if (!await isConsuming()) throw new Error(`${name} does not consume`) })
  return {
    pid: Number(child.pid),
    isConsuming,
    /** @returns its lines, those that come later too */
    read (): string[] {
      const lines: string[] = []
      createInterface(child.stdout).on('line', line => lines.push(line))
      return lines
    }
  }
}
