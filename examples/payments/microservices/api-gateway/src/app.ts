import type { App } from '@pair/service'
import { Type } from 'typebox'
import { keyCleanup } from './idempotency-keys.js'
import { payRoute } from './pay-route.js'
import { protect } from './protection.js'
import { questions } from './questions.js'
import { signUpRoute } from './sign-up-route.js'

export const settings = {
  RATE_LIMIT_PER_MINUTE: Type.Integer({ default: 600, minimum: 1, maximum: 1_000_000, description: 'requests of an address in a minute, 1 to 1000000' }),
  IDEMPOTENCY_KEY_LIFETIME_S: Type.Integer({ default: 24 * 60 * 60, minimum: 1, maximum: 30 * 24 * 60 * 60, description: 'seconds, 1 to 2592000' })
}

declare module '@pair/service' {
  interface Settings { RATE_LIMIT_PER_MINUTE: number, IDEMPOTENCY_KEY_LIFETIME_S: number }
}

/** The API gateway: takes commands (sign up, pay) into its outbox, and asks the services that know. */
export default async function apiGatewayService (app: App): Promise<void> {
  await protect(app)
  await app.register(signUpRoute)
  await app.register(payRoute)
  await app.register(questions)
  await app.register(keyCleanup)
}
