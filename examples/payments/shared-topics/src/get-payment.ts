import { requestConfig, type Request, type RequestTopic } from '@pair/events'
import { Type, type Static } from 'typebox'
import { amount, currency, id } from './values.js'

const data = Type.Object({ paymentId: id('Id of the payment.') }, { description: 'Which payment is asked for.' })

const status = Type.Union([Type.Literal('pending'), Type.Literal('processed'), Type.Literal('declined')], { description: 'processed and declined are final.' })
const reason = Type.String({ minLength: 1, maxLength: 100, description: 'Why it was declined: unknown-user, or what the provider says.' })

const reply = Type.Object({ id: id('Id of the payment.'), userId: id('Who pays.'), amount, currency, status, reason: Type.Optional(reason) }, { description: 'The payment. Error: UNKNOWN_PAYMENT.' })

export type GetPayment = Static<typeof data>
export type Payment = Static<typeof reply>

export const getPaymentExample: Request<GetPayment> = {
  specversion: '1.0',
  id: '01990f3c-6d2a-7c4e-8a54-0f2d4c1b7e21',
  source: '/api-gateway-service',
  type: 'get_payment',
  subject: '9b2f0c1e-7d0a-4a56-8f0b-3a9f3f1f6c2d.1',
  time: '2026-01-31T12:00:00.000Z',
  datacontenttype: 'application/json',
  dataschema: 'urn:get_payment:1',
  correlationid: '9b2f0c1e-7d0a-4a56-8f0b-3a9f3f1f6c2d.1',
  replyto: 'get_payment.reply',
  expirytime: '2026-01-31T12:00:04.000Z',
  data: { paymentId: '01990f3c-6d29-7b1d-9c3f-5a6b7c8d9e0f' }
}

export const getPayment = {
  name: 'get_payment',
  description: 'A question: what has become of this payment? Answered by payments.',
  version: 1,
  partitions: 4,
  config: requestConfig,
  data,
  reply,
  example: getPaymentExample
} as const satisfies RequestTopic
