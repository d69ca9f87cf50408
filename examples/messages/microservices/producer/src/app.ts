import type { App } from '@pair/service'
import { messagesRoute } from './messages-route.js'

/** The producer service: publishes what is posted to it on the topic blog. */
export default async function producerService (app: App): Promise<void> {
  await app.register(messagesRoute)
}
