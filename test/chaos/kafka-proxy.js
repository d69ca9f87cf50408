import { startProxy } from './proxy.js'

const createTopics = 19
const metadata = 3

/**
 * A proxy that Kafka's clients stay behind: a broker tells them its own address, which becomes the proxy's. For a cluster
 * of one broker.
 *
 * @param {string} brokers
 */
export async function startKafkaProxy (brokers) {
  const [host = '', port = ''] = brokers.split(':')
  let isOpenForTopics = true
  const proxy = await startProxy({ host, port: Number(port) }, () => ({
    toServer: frameByFrame(frame => isOpenForTopics ? frame : withoutCreation(frame)),
    toClient: frameByFrame(frame => withAddress(frame, host, Number(port), Number(proxy.address.split(':')[1])))
  }))
  return {
    ...proxy,
    /** From now on nobody behind the proxy creates topics, neither when asked to nor by asking for them. */
    refuseTopics () { isOpenForTopics = false }
  }
}

/**
 * Each request and each answer stands behind its length in four bytes.
 *
 * @param {import('./proxy.js').Change} change of a whole frame
 * @returns {import('./proxy.js').Change}
 */
function frameByFrame (change) {
  let rest = Buffer.alloc(0)
  return data => {
    rest = Buffer.concat([rest, data])
    const whole = []
    for (let end = 4; rest.length >= 4; end = 4) {
      end += rest.readInt32BE()
      if (rest.length < end) break
      const changed = change(rest.subarray(0, end))
      if (!changed) return undefined
      whole.push(changed)
      rest = rest.subarray(end)
    }
    return Buffer.concat(whole)
  }
}

/**
 * An address is the host as text and, right behind it, the port in four bytes.
 *
 * @param {Buffer} frame
 * @param {string} host
 * @param {number} from
 * @param {number} to
 */
function withAddress (frame, host, from, to) {
  const address = Buffer.concat([Buffer.from(host), Buffer.alloc(4)])
  address.writeInt32BE(from, host.length)
  for (let at = frame.indexOf(address); at !== -1; at = frame.indexOf(address, at + 1)) frame.writeInt32BE(to, at + host.length)
  return frame
}

/** @param {Buffer} frame */
function withoutCreation (frame) {
  const [key, version] = [frame.readInt16BE(4), frame.readInt16BE(6)]
  if (key === createTopics) return undefined
  // The flag that allows it stands last, apart from flags of later versions and the end mark that came with version 9.
  if (key === metadata && version >= 4) frame[frame.length - (version < 8 ? 1 : version === 9 || version === 10 ? 4 : 3)] = 0
  return frame
}
