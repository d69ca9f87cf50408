import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { problemResponse } from 'shared-service'
import { NewUser, UserCreated } from './schemas.js'
import { userStore } from './store-user.js'

/** POST /user/register: 201 means that the user is stored and that its event will reach the topic, whatever dies next. */
export const registerRoute: FastifyPluginAsyncTypebox = async (app) => {
  const storeUser = userStore(app.database.pool)

  app.post('/user/register', {
    schema: {
      tags: ['users'],
      body: NewUser,
      response: { 201: UserCreated, '4xx': problemResponse, '5xx': problemResponse }
    }
  }, async (request, reply) => {
    const { user, event } = await storeUser(request.body, request.traceparent)

    // The rows are committed: from here on the relay is only a matter of time.
    app.outbox.add(event, true) // a new user has no older event
    request.log.info({ userId: user.id, eventId: event.id }, 'user registered')

    reply.code(201).header('location', `/user/${user.id}`)
    return { message: 'User successfully created!', user: { ...user, createdAt: user.createdAt.toISOString() } }
  })
}
