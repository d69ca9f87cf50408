import type { ConnectionError, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Socket } from 'node:net'
import { faultOf } from '../database/faults.js'
import { describeError } from '../logging/errors.js'
import { problem, problemType, type FieldError } from './problem.js'

const mostErrors = 20

/** Makes every error of the framework and of the routes a problem. */
export function answerWithProblems (app: FastifyInstance): void {
  app.setNotFoundHandler((request, reply) => send(reply, 404))
  app.setErrorHandler((error: FastifyError, request, reply) => answerError(error, request, reply))
}

/** Answers an error that a route, a parser or the router has thrown. What is our fault is logged and not told. */
export function answerError (error: FastifyError & { errors?: FieldError[] }, request: FastifyRequest, reply: FastifyReply): void {
  // An address that cannot name anything, such as an id that is no UUID, names nothing.
  if (error.validationContext === 'params' || error.code === 'FST_ERR_BAD_URL' || error.code === 'FST_ERR_MAX_PARAM_LENGTH') return send(reply, 404)
  if (error.validation !== undefined) return send(reply, 400, fieldErrors(error.validation))

  const status = error.statusCode ?? (isUnavailable(error, request.server) ? 503 : 500)
  if (status === 503) request.log.warn({ why: describeError(error) }, 'the request failed: the database is away')
  else if (status >= 500) request.log.error({ err: error }, 'the request failed')
  if (status === 400 && error.errors === undefined) return send(reply, 400, [{ field: 'body', message: 'must be JSON, without __proto__' }])
  send(reply, status, error.errors)
}

/** Answers what never became a request: too slow, too many headers, not HTTP. */
export function answerBrokenRequest (error: ConnectionError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const status = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400
  const body = JSON.stringify(problem(status))
  if (socket.writable) {
    socket.end(`HTTP/1.1 ${status} ${problem(status).title}\r\ncontent-type: ${problemType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`)
  }
  socket.destroySoon()
}

function send (reply: FastifyReply, status: number, errors?: FieldError[]): void {
  const body = problem(status, errors)
  reply.code(body.status).type(problemType).send(JSON.stringify(body))
}

/** Before its migrations are applied a database answers, but has no tables. */
function isUnavailable (error: unknown, app: FastifyInstance): boolean {
  return faultOf(error) === 'dependency' || (app.hasDecorator('database') && !app.database.isUp)
}

function fieldErrors (validation: NonNullable<FastifyError['validation']>): FieldError[] {
  return validation.slice(0, mostErrors).map(({ instancePath, params, message, keyword }) => {
    const parent = instancePath.slice(1).replaceAll('/', '.')
    const member = keyword === 'required' ? params['missingProperty'] : keyword === 'additionalProperties' ? params['additionalProperty'] : undefined
    const field = [parent, member].filter(part => part !== undefined && part !== '').join('.') || 'body'
    return { field, message: explain(keyword, message) }
  })
}

function explain (keyword: string, message = 'is not valid'): string {
  if (keyword === 'required') return 'is required'
  if (keyword === 'additionalProperties') return 'is not known'
  return message
}
