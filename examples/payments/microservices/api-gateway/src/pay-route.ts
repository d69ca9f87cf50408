import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { processPayment, processPaymentExample } from '@pair/payments-shared-topics'
import { newId, ProblemError, problemResponse } from '@pair/service'
import { Type } from 'typebox'
import { takeKey } from './idempotency-keys.js'

const { userId, amount, currency } = processPayment.data.properties
const Payment = Type.Object({ userId, amount, currency }, { additionalProperties: false })

const Headers = Type.Object({
  // The draft's form is a string in quotes; the bare form is widespread. Both are the same key.
  'idempotency-key': Type.String({ pattern: '^("[\\w.:-]{1,128}"|[\\w.:-]{1,128})$', description: 'Made by the caller, once for each payment. Letters, digits, _ . : -' })
})

/**
 * POST /api/payments/pay: 202 means that the command process_payment is stored and will reach the topic, once for each user and
 * Idempotency-Key. Key and command are one transaction.
 *
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 */
export const payRoute: FastifyPluginAsyncTypebox = async (app) => {
  const createCommand = app.sends(processPayment)
  const lifetimeS = app.settings.IDEMPOTENCY_KEY_LIFETIME_S

  app.post('/api/payments/pay', {
    config: { exampleBody: () => ({ userId: processPaymentExample.data.userId, amount: 1999, currency: 'EUR' }) },
    schema: {
      tags: ['payments'],
      operationId: 'pay',
      summary: 'Pays',
      headers: Headers,
      body: Payment,
      response: {
        202: Type.Object({ id: Type.String({ description: 'Id of the payment' }) }, { description: 'Accepted, now or by an earlier request with this key', headers: { location: { type: 'string', description: 'Path of the payment' } } }),
        422: { ...problemResponse, description: 'The user has used this key for another payment' }
      }
    }
  }, async (request, reply) => {
    const { userId, amount, currency } = request.body
    const key = request.headers['idempotency-key'].replaceAll('"', '')
    const id = newId()
    const command = createCommand({ subject: id, data: { id, userId, amount, currency }, traceparent: request.traceparent })

    const taken = await app.transaction(async db => {
      // The members in this order and a UUID in one case, so that the same payment written in another way is the same request.
      const taken = await takeKey(db, { userId, key, paymentId: id, request: [userId.toLowerCase(), amount, currency] }, lifetimeS)
      if (taken.isNew) await app.outbox.add(db, command)
      return taken
    })
    if (!taken.isSame) throw new ProblemError(422, [{ field: 'idempotency-key', message: 'was used for another payment' }])
    request.log.info({ paymentId: taken.paymentId, ...(taken.isNew && { eventId: command.id }), isNew: taken.isNew }, 'payment accepted')
    reply.code(202).header('location', `/api/payments/${taken.paymentId}`)
    return { id: taken.paymentId }
  })
}
