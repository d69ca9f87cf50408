import type { App } from '@pair/service'
import { profileRoute } from './profiles/profile-route.js'
import { userRegisterConsumer } from './profiles/user-register-consumer.js'

/** The profile service: creates a profile for each event of the topic user_register. */
export default async function profileService (app: App): Promise<void> {
  await app.register(userRegisterConsumer)
  await app.register(profileRoute)
}
