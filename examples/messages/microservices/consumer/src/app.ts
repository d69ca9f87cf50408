import type { App } from '@pair/service'
import { printer } from './printer.js'

/** The consumer service: prints the messages of the topic blog. */
export default async function consumerService (app: App): Promise<void> {
  await app.register(printer)
}
