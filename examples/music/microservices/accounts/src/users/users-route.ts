import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { problemResponse } from '@pair/service'
import { exampleUser, NewUser, User } from './schemas.js'
import { userStore } from './store-user.js'

/** POST /users: 201 means that the user is stored and that its event will reach the topic. No mail is waited for. */
export const usersRoute: FastifyPluginAsyncTypebox = async (app) => {
  const storeUser = userStore(app)
  app.post('/users', {
    config: { exampleBody: exampleUser },
    schema: {
      tags: ['users'],
      operationId: 'createUser',
      summary: 'Creates a user',
      body: NewUser,
      response: { 201: User, 409: { ...problemResponse, description: 'The id, the username or the email is taken' } }
    }
  }, async (request, reply) => {
    const eventId = await storeUser(request.body, request.traceparent)
    const { id, username, email } = request.body
    request.log.info({ userId: id, eventId }, 'user created')
    reply.code(201)
    return { id, username, email }
  })
}
