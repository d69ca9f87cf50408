import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/**
 * The same broker, so many milliseconds away: a proxy that holds everything back for half the time in each direction.
 * Clients go on to the address that the broker names in its answers, so that one is replaced by the proxy's.
 *
 * @param {{ brokers: string }} broker on 127.0.0.1
 * @param {number} rttMs
 */
export async function openSlowWay ({ brokers }, rttMs) {
  const [host = '', port] = brokers.split(':')
  const server = createServer({ noDelay: true }, client => {
    const upstream = connect({ host, port: Number(port), noDelay: true })
    const late = (/** @type {() => void} */ act) => { setTimeout(act, rttMs / 2) }
    client.on('data', data => late(() => upstream.write(data)))
    upstream.on('data', data => late(() => client.write(readdress(data))))
    for (const [from, to] of [[client, upstream], [upstream, client]]) {
      from?.on('error', () => {})
      from?.on('close', () => to?.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const own = /** @type {import('node:net').AddressInfo} */ (server.address()).port
  const address = (/** @type {number} */ number) => {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(number)
    return Buffer.concat([Buffer.from(host), bytes])
  }
  const [from, to] = [address(Number(port)), address(own)]
  const readdress = (/** @type {Buffer} */ data) => {
    for (let at = data.indexOf(from); at >= 0; at = data.indexOf(from, at + 1)) to.copy(data, at)
    return data
  }
  return { brokers: `${host}:${own}`, close: async () => { server.close() } }
}
