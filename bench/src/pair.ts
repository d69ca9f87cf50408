import { setTimeout as delay } from 'node:timers/promises'
import { EMBEDDED_BROKER_SETTINGS } from '@pair/dev'
import { userRegister } from '@pair/shared-topics'
import { settingsOf } from './connection.js'
import type { Bench } from './bench.js'
import { startShipped } from './service.js'

/** Both released services, ready, each with an empty database. */
export async function openPair ({ broker, postgres }: Bench) {
  const [users, profiles] = [await postgres.newDatabase(), await postgres.newDatabase()]
  const settings = { ...settingsOf(broker.brokers), ...!broker.isReal && EMBEDDED_BROKER_SETTINGS }
  const [user, profile] = await Promise.all([
    startShipped('user', { ...settings, DATABASE_URL: users.url }),
    startShipped('profile', { ...settings, DATABASE_URL: profiles.url })
  ])
  await Promise.all([user.ready(), profile.ready()])
  // Earlier events of the topic are handled before the measurement.
  while (await broker.committedOf(userRegister.name, 'profile-service') < await broker.countOf(userRegister.name)) await delay(200)
  return {
    user,
    profile,
    close: async () => {
      await Promise.all([user.close(), profile.close()])
      for (const database of [users, profiles]) await database.drop()
    }
  }
}
