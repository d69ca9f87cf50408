import type { ConnectionError, FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { send } from './error-answers.js'
import { problem, problemType } from './problem.js'

const quietMs = 10_000

/** Requests that Node would refuse without a body, a log line or a metric. @returns the status of the refusal, undefined for other requests */
function refusal ({ httpVersion, headers }: IncomingMessage): 400 | 417 | undefined {
  if (headers.host === undefined && httpVersion !== '1.0') return 400
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue') return 417
  return undefined
}

/** Answers such requests with a problem document. The server must be created with `requireHostHeader: false`. */
export function answerRefusals (app: FastifyInstance): void {
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
  app.addHook('onRequest', (request, reply, done) => {
    const status = refusal(request.raw)
    if (status === undefined) return done()
    reply.header('connection', 'close')
    send(reply, status)
  })
}

/** Input that is not a request: not HTTP, too slow, headers too large. It is counted, and logged without its content. */
export class BrokenRequests {
  readonly byStatus: Record<number, number> = { 400: 0, 408: 0, 431: 0 }
  log: FastifyBaseLogger | undefined
  #loggedAt = -Infinity
  #unlogged = 0

  /** For Fastify's `clientErrorHandler`. */
  answer (error: ConnectionError, socket: Socket): void {
    if (error.code === 'ECONNRESET' || socket.destroyed) return
    const status = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400
    this.#count(status, error.code)
    const { title } = problem(status)
    const body = JSON.stringify(problem(status))
    if (socket.writable) {
      socket.end(`HTTP/1.1 ${status} ${title}\r\ncontent-type: ${problemType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`)
    }
    socket.destroySoon()
  }

  #count (status: number, reason: string): void {
    this.byStatus[status] = (this.byStatus[status] ?? 0) + 1
    this.#unlogged += 1
    const now = performance.now()
    if (now - this.#loggedAt < quietMs) return
    this.#loggedAt = now
    this.log?.info({ statusCode: status, reason, count: this.#unlogged }, 'broken request refused')
    this.#unlogged = 0
  }
}
