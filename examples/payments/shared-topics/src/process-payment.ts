import type { Event, Topic } from '@pair/events'
import { Type, type Static } from 'typebox'
import { amount, currency, id } from './values.js'

const dayMs = 24 * 60 * 60 * 1000

const data = Type.Object({ id: id('Id of the payment, given by the gateway.'), userId: id('Who pays.'), amount, currency }, { description: 'The payment to process.' })

export type ProcessPayment = Static<typeof data>

export const processPaymentExample: Event<ProcessPayment> = {
  specversion: '1.0',
  id: '01990f3c-6d2a-7c4e-8a54-0f2d4c1b7e21',
  source: '/api-gateway-service',
  type: 'process_payment',
  subject: '01990f3c-6d29-7b1d-9c3f-5a6b7c8d9e0f',
  time: '2026-01-31T12:00:00.000Z',
  datacontenttype: 'application/json',
  dataschema: 'urn:process_payment:1',
  data: { id: '01990f3c-6d29-7b1d-9c3f-5a6b7c8d9e0f', userId: '01990f3c-6d28-7b1d-9c3f-5a6b7c8d9e0f', amount: 1999, currency: 'EUR' }
}

export const processPayment = {
  name: 'process_payment',
  description: 'A command: process this payment. Keyed by the id of the payment.',
  version: 1,
  partitions: 4,
  config: {
    'retention.ms': String(7 * dayMs),
    // One day. With Kafka's default of a week, a record could stay for up to twice the retention.
    'segment.ms': String(dayMs),
    'max.message.bytes': String(1024 * 1024),
    // The broker's clock. With the writer's, a wrong clock would get events removed too early, or refused.
    'message.timestamp.type': 'LogAppendTime'
  },
  data,
  example: processPaymentExample
} as const satisfies Topic
