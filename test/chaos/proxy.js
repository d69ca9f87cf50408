import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/**
 * A TCP proxy on loopback, to take a server away from its clients and give it back at the same address.
 *
 * @param {{ host: string, port: number }} target
 */
export async function startProxy (target) {
  /** @type {Set<import('node:net').Socket>} */
  const sockets = new Set()
  let state = 'open'
  const server = createServer(client => {
    if (state === 'cut') return client.destroy()
    const upstream = connect(target)
    for (const [from, to] of /** @type {const} */ ([[client, upstream], [upstream, client]])) {
      sockets.add(from)
      from.on('data', data => { to.write(data) })
      from.on('error', () => {})
      from.on('close', () => { sockets.delete(from); to.destroy() })
      if (state === 'frozen') from.pause()
    }
  })
  server.listen(0, '127.0.0.1').unref()
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  return {
    address: `127.0.0.1:${port}`,
    /** @param {'open' | 'cut' | 'frozen'} next cut: connections break, new ones too. frozen: they stay, and nothing answers */
    set (next) {
      state = next
      for (const socket of sockets) {
        if (next === 'cut') socket.destroy()
        else if (next === 'frozen') socket.pause()
        else socket.resume()
      }
    }
  }
}
