import { createServer } from 'node:net'

/**
 * A port on loopback that nothing listens on. Below the range that outgoing connections are numbered from, so that none of
 * those takes it before it is used.
 */
export async function freePort (): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    if (!await isTaken(port)) return port
  }
}

/** Whether somebody listens on the port of the loopback address, or this user may not. */
export function isTaken (port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(true))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(false)))
  })
}
