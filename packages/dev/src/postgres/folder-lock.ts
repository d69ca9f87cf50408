import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const PATIENCE_MS = 5_000
const RETRY_MS = 100

/**
 * Locks a folder for this process until it ends. The lock is a listening socket, which, unlike a pid file, needs no cleanup
 * after a crash. Waits up to 5 s for another holder to end, such as one whose launcher was just killed.
 *
 * @returns false if another process holds the folder
 */
export async function holdFolder (folder: string): Promise<boolean> {
  const name = `postgres-${createHash('sha256').update(folder).digest('hex').slice(0, 32)}`
  // Linux: an abstract socket, which is not in the file system and disappears with its process.
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
