import { createServer } from 'node:net'

/**
 * Returns a free port on loopback. It is below the range of ephemeral ports, so that no outgoing connection takes it before
 * it is used.
 */
export async function freePort (): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    if (!await isTaken(port)) return port
  }
}

/** Whether this process cannot listen on the loopback port, because it is in use or needs permission. */
export function isTaken (port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(true))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(false)))
  })
}

/** The first free port from `port` on. */
export async function freePortFrom (port: number): Promise<number> {
  while (await isTaken(port)) port++
  return port
}
