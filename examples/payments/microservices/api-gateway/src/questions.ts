import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { getPayment, getUser } from '@pair/payments-shared-topics'
import { ProblemError, problemResponse } from '@pair/service'
import { Type } from 'typebox'

/** How long an answer is waited for: the caller hears within 5 s. It outlasts a rebalance of the answerers. */
const timeoutMs = 4500

const Id = Type.Object({ id: Type.String({ format: 'uuid', maxLength: 36 }) })
const upstream = {
  502: { ...problemResponse, description: 'The service that knows could not answer' },
  504: { ...problemResponse, description: 'The service that knows did not answer in time' }
}

/** The answers of auth and payments that have a status of their own. Any other is 502. */
const statuses: Record<string, ProblemError> = {
  UNKNOWN_USER: new ProblemError(404),
  UNKNOWN_PAYMENT: new ProblemError(404),
  EMAIL_TAKEN: new ProblemError(409, [{ field: 'email', message: 'is taken' }])
}
function toProblem (error: unknown): never {
  throw statuses[String((error as { code?: unknown }).code)] ?? error
}

/** GET /api/users/:id and GET /api/payments/:id: the gateway keeps no copy, it asks the service that owns the data. */
export const questions: FastifyPluginAsyncTypebox = async (app) => {
  const askUser = app.asks(getUser)
  const askPayment = app.asks(getPayment)

  app.get('/api/users/:id', {
    schema: {
      tags: ['auth'],
      operationId: 'getUser',
      summary: 'Asks auth for a user',
      params: Id,
      response: { 200: getUser.reply, 404: { ...problemResponse, description: 'There is no such user, or not yet' }, 409: { ...problemResponse, description: 'The sign-up was refused: the email is taken' }, ...upstream }
    }
  }, async ({ params, traceparent }) => await askUser({ userId: params.id }, { timeoutMs, traceparent }).catch(toProblem))

  app.get('/api/payments/:id', {
    schema: {
      tags: ['payments'],
      operationId: 'getPayment',
      summary: 'Asks payments for a payment',
      params: Id,
      response: { 200: getPayment.reply, 404: { ...problemResponse, description: 'There is no such payment, or not yet' }, ...upstream }
    }
  }, async ({ params, traceparent }) => await askPayment({ paymentId: params.id }, { timeoutMs, traceparent }).catch(toProblem))
}
