import type { FastifyPluginAsync } from 'fastify'
import { userRegister } from 'shared-topics'
import { profileStore } from './store-profile.js'

/** Topic user_register: each user gets a profile. */
export const userRegisterConsumer: FastifyPluginAsync = async (app) => {
  const storeProfile = profileStore(app.database.pool)

  app.kafka.subscribe(userRegister.name)

  app.kafka.on(userRegister.name, app.messages.follow({
    topic: userRegister,
    atOnce: 250, // as many as are handed out: they are stored in groups
    async handle (event, log) {
      const { isSeen, isCreated } = await storeProfile(event)
      if (isSeen) {
        log.info('event seen before, nothing to do')
        return 'seen'
      }
      if (!isCreated) {
        log.info({ userId: event.data.id }, 'the user has a profile already, the first one is kept')
        return 'kept'
      }
      log.info({ userId: event.data.id }, 'profile created')
      return 'created'
    }
  }))
}
