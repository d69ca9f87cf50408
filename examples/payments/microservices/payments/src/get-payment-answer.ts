import { getPayment, type Payment } from '@pair/payments-shared-topics'
import { ReplyError } from '@pair/service'
import type { FastifyPluginAsync } from 'fastify'

const paymentSql = {
  name: 'payment',
  text: 'select id, user_id as "userId", amount::float8 as amount, currency, status, reason from payments where id = $1' // exact: below 2^53
}

/** Topic get_payment: answers the state of a payment. Without the inbox: a question that comes twice is read twice. */
export const getPaymentAnswer: FastifyPluginAsync = async (app) => {
  app.answer(getPayment, async ({ data: { paymentId } }) => {
    const { rows: [found] } = await app.database.pool.query<Omit<Payment, 'reason'> & { reason: string | null }>({ ...paymentSql, values: [paymentId] })
    if (found === undefined) throw new ReplyError('UNKNOWN_PAYMENT', 'there is no such payment')
    const { reason, ...payment } = found
    return reason === null ? payment : { ...payment, reason }
  }, { inbox: false })
}
