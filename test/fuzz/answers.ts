import { request, type Agent } from 'node:http'
import { connect } from 'node:net'
import type { Body } from './bodies.js'
import type { RawRequest } from './requests.js'

export interface Answer { status: number, type: string, body: string }

/** Then nothing more is expected to come. */
const quietMs = 500
const answerMs = 10_000

/** Sends a well-formed request on one of the agent's connections. */
export function send (url: string, agent: Agent, { body, headers }: Body): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sending = request(`${url}/user/register`, { method: 'POST', agent, headers: { ...headers, 'content-length': body.length } }, response => {
      const parts: Buffer[] = []
      response.on('data', part => parts.push(part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, type: String(response.headers['content-type']), body: Buffer.concat(parts).toString() }))
      response.on('error', reject)
    })
    sending.on('error', reject)
    sending.end(body)
  })
}

/** Sends bytes on a connection of its own, and returns what is answered until the service closes it. */
export async function sendRaw (url: string, { bytes, answers, isHead = false }: RawRequest): Promise<Answer[]> {
  const { hostname: host, port } = new URL(url)
  const parts: Buffer[] = []
  await new Promise<void>(resolve => {
    const socket = connect({ host, port: Number(port), allowHalfOpen: true })
    socket.on('data', part => parts.push(part))
    // A service that waits for the rest of a request learns that there is none.
    socket.setTimeout(answers === undefined ? quietMs : answerMs, () => socket.end())
    socket.on('end', () => socket.end())
    socket.on('error', () => {})
    socket.on('close', () => resolve())
    socket.write(bytes)
  })
  return parse(Buffer.concat(parts), isHead)
}

/** @throws where it is not HTTP */
function parse (bytes: Buffer, isHead: boolean): Answer[] {
  const answers: Answer[] = []
  while (bytes.length > 0) {
    const end = bytes.indexOf('\r\n\r\n')
    const head = bytes.toString('latin1', 0, end)
    const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(head) ?? []
    if (status === undefined || end < 0) throw new Error(`not HTTP: ${bytes.toString('latin1', 0, 300)}`)
    // Nothing with a body is chunked here; what Node answers by itself may be, and has none.
    const isChunked = /^transfer-encoding: *chunked/im.test(head)
    // A HEAD request that is broken is answered before its method is known, and so with a body.
    const isBare = isHead && bytes[end + 4] !== '{'.charCodeAt(0)
    const length = isBare || status === '100' ? 0 : Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? (isChunked ? 5 : 0))
    const body = bytes.toString('utf8', end + 4, end + 4 + length).replace(/^0\r\n\r\n$/, '')
    if (status !== '100') answers.push({ status: Number(status), type: /^content-type: *(.*)$/im.exec(head)?.[1] ?? '', body })
    bytes = bytes.subarray(end + 4 + length)
  }
  return answers
}
