import type { App } from '@pair/service'
import { usersRoute } from './users/users-route.js'

/** The accounts service: creates users, and publishes each as an integration event. */
export default async function accountsService (app: App): Promise<void> {
  await app.register(usersRoute)
}
