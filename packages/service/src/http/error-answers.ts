import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { faultOf, isSchemaFault } from '../database/faults.js'
import { isOverload } from '../database/pool.js'
import { describeError } from '../logging/errors.js'
import { overloadAnswers } from './overload.js'
import { notAcknowledged, problem, problemType, retryAfterS, type FieldError } from './problem.js'

const mostErrors = 20

/** Answers every error of the framework and of the routes with a problem document. */
export function answerWithProblems (app: FastifyInstance): void {
  app.setNotFoundHandler((request, reply) => send(reply, 404))
  const answerOverload = overloadAnswers(app.log)
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (isOverload(error) && isUp(app)) answerOverload(reply)
    else answerError(error, request, reply)
  })
}

/** Answers an error that a route, a parser or the router has thrown. An error of the server is logged; the answer has no details of it. */
export function answerError (error: FastifyError & { errors?: FieldError[] }, request: FastifyRequest, reply: FastifyReply): void {
  // 404 for an address that no resource can have, such as an id that is not a UUID.
  if (error.validationContext === 'params' || error.code === 'FST_ERR_BAD_URL' || error.code === 'FST_ERR_MAX_PARAM_LENGTH') return send(reply, 404)
  if (error.validation !== undefined) return send(reply, 400, fieldErrors(error.validation))

  if (isNotAcknowledged(error)) {
    request.log.warn({ why: describeError(error), code: error.code }, 'the request failed: its event was not acknowledged')
    reply.code(notAcknowledged.status).header('retry-after', retryAfterS).type(problemType).send(JSON.stringify(notAcknowledged))
    return
  }

  const status = error.statusCode ?? (isUnavailable(error, request.server) ? 503 : 500)
  if (status > 501) request.log.warn({ why: describeError(error), code: error.code }, `the request failed: ${unavailable(error)}`)
  else if (status >= 500) request.log.error({ err: error }, 'the request failed')
  if (status === 400 && error.errors === undefined) return send(reply, 400, [{ field: 'body', message: 'must be JSON, without __proto__' }])
  send(reply, status, error.errors)
}

/** A push without an outbox that timed out, or failed for what can pass. */
function isNotAcknowledged (error: Error): boolean {
  const { name, code, retriable } = error as { name: string, code?: unknown, retriable?: unknown }
  return code === 'ERR_PUBLISH_TIMEOUT' || (name === 'KafkaError' && retriable === true)
}

/** Answers with a problem document. */
export function send (reply: FastifyReply, status: number, errors?: FieldError[]): void {
  const body = problem(status, errors)
  reply.code(body.status).type(problemType).send(JSON.stringify(body))
}

function unavailable (error: FastifyError): string {
  if (error.statusCode !== undefined) return 'a dependency is away or has refused'
  return isSchemaFault(error) ? 'the schema or rights of the database are not what this version needs' : 'the database is away'
}

/** Also true for a database that answers but has no tables yet, because its migrations have not been applied. */
function isUnavailable (error: unknown, app: FastifyInstance): boolean {
  return faultOf(error) === 'transient' || !isUp(app)
}

function isUp (app: FastifyInstance): boolean {
  return !app.hasDecorator('database') || app.database.isUp
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
