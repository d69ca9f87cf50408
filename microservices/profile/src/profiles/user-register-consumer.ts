import type { FastifyPluginAsync } from 'fastify'
import { userRegister } from '@pair/shared-topics'
import { storeProfiles } from './store-profiles.js'

/** Topic user_register: creates a profile for each user. */
export const userRegisterConsumer: FastifyPluginAsync = async (app) => {
  app.consumer({
    topic: userRegister,
    async handleBatch (events, { db, logOf }) {
      const isCreated = await storeProfiles(db, events.map(({ data }) => data))
      events.forEach((event, index) => {
        const log = logOf(event)
        if (isCreated[index]) log.info({ userId: event.data.id }, 'profile created')
        else log.info({ userId: event.data.id }, 'the user has a profile already, the first one is kept')
      })
    }
  })
}
