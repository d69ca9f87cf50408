import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { problemResponse } from '@pair/service'
import { exampleUser, NewUser, UserCreated } from './schemas.js'
import { userStore } from './store-user.js'

/** POST /user/register: 201 means that the user is stored and that its event will reach the topic, whatever fails afterwards. */
export const registerRoute: FastifyPluginAsyncTypebox = async (app) => {
  const storeUser = userStore(app)
  app.post('/user/register', {
    config: { exampleBody: exampleUser },
    schema: {
      tags: ['users'],
      operationId: 'registerUser',
      summary: 'Registers a user',
      body: NewUser,
      response: { 201: UserCreated, 409: { ...problemResponse, description: 'The email or the username is taken' } }
    }
  }, async (request, reply) => {
    const { user, eventId } = await storeUser(request.body, request.traceparent)
    request.log.info({ userId: user.id, eventId }, 'user registered')
    reply.code(201).header('location', `/user/${user.id}`)
    return { message: 'User successfully created!', user: { ...user, createdAt: user.createdAt.toISOString() } }
  })
}
