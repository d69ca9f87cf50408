import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

const bytesPerMs = 128

/**
 * - cut: connections end, new ones too
 * - reset: the same, by RST
 * - frozen: connections stay, and nothing gets through until they are open again
 * - half-open: those that are there stay silent for good; new ones work
 * - slow: 300 ms each way unless told otherwise, 128 KB a second
 */
type State = 'open' | 'cut' | 'reset' | 'frozen' | 'half-open' | 'slow'

/** What becomes of bytes on their way: nothing where the connection is to end. */
export type Change = (data: Buffer) => Buffer | undefined

export type Proxy = Awaited<ReturnType<typeof startProxy>>

/**
 * A TCP proxy on loopback, to take a server away from its clients and give it back at the same address.
 *
 * @param changes of one connection
 * @param latencyMs each way, while it is slow
 */
export async function startProxy (target: { host: string, port: number }, changes: () => { toServer: Change, toClient: Change } = () => ({ toServer: data => data, toClient: data => data }), latencyMs = 300) {
  const sockets = new Set<Socket>()
  let state: State = 'open'
  const server = createServer(client => {
    if (state === 'cut') return client.destroy()
    if (state === 'reset') return client.resetAndDestroy()
    const upstream = connect(target)
    const { toServer, toClient } = changes()
    for (const [from, to, change] of [[client, upstream, toServer], [upstream, client, toClient]] as const) {
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
  const { port } = server.address() as AddressInfo
  return {
    address: `127.0.0.1:${port}`,
    set (next: State) {
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
