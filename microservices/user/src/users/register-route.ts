import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { problemResponse } from '@pair/service'
import { NewUser, UserCreated } from './schemas.js'
import { userStore } from './store-user.js'

/** POST /user/register: 201 means that the user is stored and that its event will reach the topic, whatever dies next. */
export const registerRoute: FastifyPluginAsyncTypebox = async (app) => {
  const storeUser = userStore(app)

  app.post('/user/register', {
    schema: {
      tags: ['users'],
      body: NewUser,
      response: { 201: UserCreated, '4xx': problemResponse, '5xx': problemResponse }
    }
  }, async (request, reply) => {
    const { user, eventId } = await storeUser(request.body, request.traceparent)
    request.log.info({ userId: user.id, eventId }, 'user registered')

    reply.code(201).header('location', `/user/${user.id}`)
    return { message: 'User successfully created!', user: { ...user, createdAt: user.createdAt.toISOString() } }
  })
}
