import type { App } from '@pair/service'
import { createUserConsumer } from './create-user-consumer.js'
import { getUserAnswer } from './get-user-answer.js'

/** The auth service: owns the users. */
export default async function authService (app: App): Promise<void> {
  await app.register(createUserConsumer)
  await app.register(getUserAnswer)
}
