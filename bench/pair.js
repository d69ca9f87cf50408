import { setTimeout as delay } from 'node:timers/promises'
import { startService } from './service.js'

/** Both services as they are shipped, ready, each with an empty database. @param {import('./comparisons/bench.js').Bench} bench */
export async function openPair ({ broker, postgres }) {
  const databases = [await postgres.newDatabase(), await postgres.newDatabase()]
  const settings = { KAFKA_BROKERS: broker.brokers, ...!broker.isReal && { KAFKA_SESSION_TIMEOUT_MS: '3000' } }
  const [user, profile] = await Promise.all([
    startService('user', { ...settings, DATABASE_URL: String(databases[0]?.url) }),
    startService('profile', { ...settings, DATABASE_URL: String(databases[1]?.url) })
  ])
  await Promise.all([user.ready(), profile.ready()])
  // Whatever stands on the topic comes before what is measured.
  const { userRegister } = await import('shared-topics')
  while (await broker.committedOf(userRegister.name, 'profile-service') < await broker.countOf(userRegister.name)) await delay(200)
  return {
    user,
    profile,
    close: async () => {
      await Promise.all([user.close(), profile.close()])
      for (const database of databases) await database.drop()
    }
  }
}
