import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { problemResponse } from 'shared-service'
import { NewUser, UserCreated } from './schemas.js'
import { storeUser } from './store-user.js'

/** @see https://www.w3.org/TR/trace-context/#traceparent-header */
const traceparentPattern = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

/** POST /user/register: 201 means that the user is stored and that its event will reach the topic, whatever dies next. */
export const registerRoute: FastifyPluginAsyncTypebox = async (app) => {
  app.post('/user/register', {
    schema: {
      tags: ['users'],
      body: NewUser,
      response: { 201: UserCreated, '4xx': problemResponse, '5xx': problemResponse }
    }
  }, async (request, reply) => {
    const { traceparent } = request.headers
    const isTraced = typeof traceparent === 'string' && traceparentPattern.test(traceparent)
    const { user, event } = await storeUser(app.database.pool, request.body, isTraced ? traceparent : undefined)

    // The rows are committed: from here on the relay is only a matter of time.
    app.outbox.add(event.row, event.isFirst)
    request.log.info({ userId: user.id, eventId: event.row.id }, 'user registered')

    reply.code(201).header('location', `/user/${user.id}`)
    return { message: 'User successfully created!', user: { ...user, createdAt: user.createdAt.toISOString() } }
  })
}
