import type { FastifyPluginAsync } from 'fastify'
import { userRegister } from 'shared-topics'
import { storeProfile } from './store-profile.js'

/** Topic user_register: each user gets a profile. */
export const userRegisterConsumer: FastifyPluginAsync = async (app) => {
  app.kafka.subscribe(userRegister.name)

  app.kafka.on(userRegister.name, app.messages.follow({
    topic: userRegister,
    async handle (event, log) {
      const { isSeen, isCreated } = await storeProfile(app.database.pool, event)
      if (isSeen) log.info('event seen before, nothing to do')
      else if (!isCreated) log.info({ userId: event.data.id }, 'the user has a profile already, the first one is kept')
      else log.info({ userId: event.data.id }, 'profile created')
    }
  }))
}
