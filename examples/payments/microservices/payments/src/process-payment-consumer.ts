import { processPayment } from '@pair/payments-shared-topics'
import type { FastifyPluginAsync } from 'fastify'

const insertSql = 'insert into payments (id, user_id, amount, currency, traceparent) values ($1, $2, $3, $4, $5) on conflict do nothing'

/**
 * Topic process_payment: stores the payment as pending. It neither asks nor charges: a handler that waited for auth would hold
 * up its partition. The worker does both (payment-worker.ts).
 */
export const processPaymentConsumer: FastifyPluginAsync = async (app) => {
  app.consumer({
    topic: processPayment,
    async handle ({ data, traceparent }, { db, log }) {
      const { rowCount } = await db.query(insertSql, [data.id, data.userId, data.amount, data.currency, traceparent])
      if (rowCount === 0) return 'ignored'
      log.info({ paymentId: data.id }, 'payment pending')
      return 'processed'
    }
  })
}
