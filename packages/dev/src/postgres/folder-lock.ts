import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const PATIENCE_MS = 5_000
const RETRY_MS = 100

/**
 * Holds a folder for this process until it ends, however it ends: a listening socket needs no cleaning up, other than a
 * file with a process id. One that is being given up (its holder's launcher was killed a moment ago) is waited for.
 *
 * @returns false when another process holds the folder
 */
export async function holdFolder (folder: string): Promise<boolean> {
  const name = `postgres-${createHash('sha256').update(folder).digest('hex').slice(0, 32)}`
  // Linux has socket names outside of the file system, which vanish with their process.
  const path = process.platform === 'linux' ? `\0${name}` : join(tmpdir(), `${name}.sock`)
  for (const deadline = performance.now() + PATIENCE_MS; performance.now() < deadline; await delay(RETRY_MS)) {
    if (await listens(path)) return true
    if (!path.startsWith('\0') && !await answers(path)) await rm(path, { force: true })
  }
  return false
}

function listens (path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => socket.destroy())
    server.once('error', (error: NodeJS.ErrnoException) => error.code === 'EADDRINUSE' ? resolve(false) : reject(error))
    server.listen(path, () => resolve(true))
    server.unref()
  })
}

function answers (path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path, () => { socket.destroy(); resolve(true) })
    socket.once('error', () => resolve(false))
  })
}
