import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

const latencyMs = 300
const bytesPerMs = 128

/**
 * - cut: connections end, new ones too
 * - reset: the same, by RST
 * - frozen: connections stay, and nothing gets through until they are open again
 * - half-open: those that are there stay silent for good; new ones work
 * - slow: 300 ms each way, 128 KB a second
 *
 * @typedef {'open' | 'cut' | 'reset' | 'frozen' | 'half-open' | 'slow'} State
 *
 * @callback Change what becomes of bytes on their way
 * @param {Buffer} data
 * @returns {Buffer | undefined} nothing where the connection is to end
 */

/**
 * A TCP proxy on loopback, to take a server away from its clients and give it back at the same address.
 *
 * @param {{ host: string, port: number }} target
 * @param {() => { toServer: Change, toClient: Change }} [changes] of one connection
 */
export async function startProxy (target, changes = () => ({ toServer: data => data, toClient: data => data })) {
  /** @type {Set<import('node:net').Socket>} */
  const sockets = new Set()
  let state = /** @type {State} */ ('open')
  const server = createServer(client => {
    if (state === 'cut') return client.destroy()
    if (state === 'reset') return client.resetAndDestroy()
    const upstream = connect(target)
    const { toServer, toClient } = changes()
    for (const [from, to, change] of /** @type {const} */ ([[client, upstream, toServer], [upstream, client, toClient]])) {
      let last = Promise.resolve()
      let dueAt = 0
      sockets.add(from)
      from.on('data', data => {
        const changed = change(data)
        if (!changed) return from.destroy()
        if (state === 'slow') dueAt = Math.max(dueAt, performance.now() + latencyMs) + changed.length / bytesPerMs
        last = last.then(async () => {
          if (dueAt > performance.now()) await delay(dueAt - performance.now())
          to.write(changed)
        })
      })
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
    /** @param {State} next */
    set (next) {
      state = next
      for (const socket of sockets) {
        if (next === 'cut') socket.destroy()
        else if (next === 'reset') socket.resetAndDestroy()
        else if (next === 'frozen' || next === 'half-open') socket.pause()
        else socket.resume()
      }
    }
  }
}
