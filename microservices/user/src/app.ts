import type { App } from '@pair/service'
import { registerRoute } from './users/register-route.js'
import { userRoute } from './users/user-route.js'

/** The user service: registers users, and publishes each registration to the topic user_register. */
export default async function userService (app: App): Promise<void> {
  await app.register(registerRoute)
  await app.register(userRoute)
}
