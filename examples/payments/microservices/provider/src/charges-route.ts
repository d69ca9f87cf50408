import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { processPayment } from '@pair/payments-shared-topics'
import { newId, ProblemError, problemResponse } from '@pair/service'
import { Type } from 'typebox'

const { amount, currency } = processPayment.data.properties

/** What the card of every user has: larger amounts are refused. */
const limit = 1_000_000

const chargeSql = 'insert into charges (idempotency_key, id, amount, currency) values ($1, $2, $3, $4) on conflict do nothing'
const knownSql = 'select id, amount = $2 and currency = $3 as "isSame" from charges where idempotency_key = $1'

/** POST /charges: charges once for each Idempotency-Key, however often it is called. A stub: no money moves. */
export const chargesRoute: FastifyPluginAsyncTypebox = async (app) => {
  app.post('/charges', {
    schema: {
      operationId: 'charge',
      summary: 'Charges an amount',
      headers: Type.Object({ 'idempotency-key': Type.String({ minLength: 1, maxLength: 255 }) }),
      body: Type.Object({ amount, currency }, { additionalProperties: false }),
      response: {
        201: Type.Object({ id: Type.String() }, { description: 'Charged, now or by an earlier call with this key' }),
        402: Type.Object({ code: Type.String() }, { description: 'Refused' }),
        422: { ...problemResponse, description: 'The key has charged something else' }
      }
    }
  }, async ({ body, headers }, reply) => {
    if (body.amount > limit) return await reply.code(402).send({ code: 'insufficient-funds' })
    const key = headers['idempotency-key']
    const pool = app.database.requestPool
    await pool.query(chargeSql, [key, newId(), body.amount, body.currency])
    const { rows: [charge] } = await pool.query<{ id: string, isSame: boolean }>(knownSql, [key, body.amount, body.currency])
    if (charge?.isSame !== true) throw new ProblemError(422)
    return await reply.code(201).send({ id: charge.id })
  })
}
