import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'

/**
 * A proxy to the broker that adds a round-trip latency in ms, half in each direction. Clients connect to the address in the broker's
 * responses, so the proxy replaces it by its own.
 *
 * @param broker on 127.0.0.1
 */
export async function openLatencyProxy ({ brokers }: { brokers: string }, rttMs: number) {
  const [host = '', port] = brokers.split(':')
  const server = createServer({ noDelay: true }, client => {
    const upstream = connect({ host, port: Number(port), noDelay: true })
    const late = (act: () => void) => { setTimeout(act, rttMs / 2) }
    client.on('data', data => late(() => upstream.write(data)))
    upstream.on('data', data => late(() => client.write(readdress(data))))
    for (const [from, to] of [[client, upstream], [upstream, client]]) {
      from?.on('error', () => {})
      from?.on('close', () => to?.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const own = (server.address() as AddressInfo).port
  const address = (number: number) => {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(number)
    return Buffer.concat([Buffer.from(host), bytes])
  }
  const [from, to] = [address(Number(port)), address(own)]
  const readdress = (data: Buffer) => {
    for (let at = data.indexOf(from); at >= 0; at = data.indexOf(from, at + 1)) to.copy(data, at)
    return data
  }
  return { brokers: `${host}:${own}`, close: async () => { server.close() } }
}
