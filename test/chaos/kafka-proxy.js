import { startProxy } from './proxy.js'

const createTopics = 19
const metadata = 3
const offsetFetch = 9
const notCoordinator = 16
/** In an answer: behind its length, the request's number, no tags, and the throttle time. */
const bodyAt = 13

/**
 * A proxy that Kafka's clients stay behind: a broker tells them its own address, which becomes the proxy's. For a cluster
 * of one broker.
 *
 * @param {string} brokers
 */
export async function startKafkaProxy (brokers) {
  const [host = '', port = ''] = brokers.split(':')
  let isOpenForTopics = true
  let refusals = 0
  let isNamingBrokers = true
  const proxy = await startProxy({ host, port: Number(port) }, () => {
    /** @type {Map<number, (answer: Buffer) => Buffer>} by the number of the request */
    const changes = new Map()
    return {
      toServer: frameByFrame(frame => {
        const [key, version, id] = [frame.readInt16BE(4), frame.readInt16BE(6), frame.readInt32BE(8)]
        if (key === offsetFetch && refusals > 0) {
          refusals--
          changes.set(id, answer => withoutOffsets(answer, version))
        }
        if (key === metadata && !isNamingBrokers) changes.set(id, withoutBrokers)
        return isOpenForTopics ? frame : withoutCreation(frame)
      }),
      toClient: frameByFrame(frame => {
        const change = changes.get(frame.readInt32BE(4))
        return change ? change(frame) : withAddress(frame, host, Number(port), Number(proxy.address.split(':')[1]))
      })
    }
  })
  return {
    ...proxy,
    /** From now on nobody behind the proxy creates topics, neither when asked to nor by asking for them. */
    refuseTopics () { isOpenForTopics = false },
    /**
     * The next requests for committed offsets are answered as by a broker that is not the group's coordinator any more.
     *
     * @param {number} count
     */
    refuseOffsets (count) { refusals = count },
    get refusals () { return refusals },
    /**
     * Whether requests for metadata are answered with the brokers of the cluster, or with none, as by a broker that has lost it.
     *
     * @param {boolean} isNaming
     */
    nameBrokers (isNaming) { isNamingBrokers = isNaming }
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

/**
 * From version 8 on the answer is about a list of groups, here one, of which each has what was the whole answer before.
 *
 * @param {Buffer} frame
 * @param {number} version at least 6
 */
function withoutOffsets (frame, version) {
  const head = frame.subarray(0, version < 8 ? bodyAt : bodyAt + 1 + frame.readUInt8(bodyAt + 1))
  return withLength(head, Buffer.from([1, 0, notCoordinator, 0, ...version < 8 ? [] : [0]]))
}

/**
 * Each broker is an id, a host, a port, a rack and tags. From version 9 on a count, and the length of a text, are one more
 * than they are, in one byte where that is below 128.
 *
 * @param {Buffer} frame
 */
function withoutBrokers (frame) {
  let at = bodyAt + 1
  for (let count = frame.readUInt8(bodyAt) - 1; count > 0; count--) {
    at += 4
    at += frame.readUInt8(at) + 4
    at += Math.max(1, frame.readUInt8(at)) + 1
  }
  return withLength(frame.subarray(0, bodyAt), Buffer.from([1]), frame.subarray(at))
}

/** @param {Buffer[]} parts */
function withLength (...parts) {
  const frame = Buffer.concat(parts)
  frame.writeInt32BE(frame.length - 4)
  return frame
}
