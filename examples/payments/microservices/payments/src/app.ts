import type { App } from '@pair/service'
import { Type } from 'typebox'
import { getPaymentAnswer } from './get-payment-answer.js'
import { processPaymentConsumer } from './process-payment-consumer.js'
import { worker } from './payment-worker.js'

export const settings = { PROVIDER_URL: Type.String({ default: 'http://127.0.0.1:3013', pattern: '^https?://', description: 'an http:// or https:// URL' }) }

declare module '@pair/service' {
  interface Settings { PROVIDER_URL: string }
}

/** The payments service: stores payments, asks auth who pays, and charges the provider. */
export default async function paymentsService (app: App): Promise<void> {
  await app.register(processPaymentConsumer)
  await app.register(getPaymentAnswer)
  await app.register(worker)
}
