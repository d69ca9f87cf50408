import type { App } from '@pair/service'
import { chargesRoute } from './charges-route.js'

/** The provider service: stands for a payment provider outside the system, which honours idempotency keys. */
export default async function providerService (app: App): Promise<void> {
  await app.register(chargesRoute)
}
