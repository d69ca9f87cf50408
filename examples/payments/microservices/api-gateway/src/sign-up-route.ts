import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { createUser } from '@pair/payments-shared-topics'
import { newId } from '@pair/service'
import { Type } from 'typebox'

const NewUser = Type.Object({
  name: createUser.data.properties.name,
  email: Type.String({ format: 'email', maxLength: 254, description: 'Unique, whatever its case' })
}, { additionalProperties: false })

/**
 * POST /api/auth/sign-up: 202 means that the command create_user is stored and will reach the topic, whatever fails afterwards.
 * Whether the email is free, only auth knows: the answer stands at the Location.
 */
export const signUpRoute: FastifyPluginAsyncTypebox = async (app) => {
  const createUserCommand = app.sends(createUser)

  app.post('/api/auth/sign-up', {
    config: { exampleBody: () => ({ name: 'Bruce Wayne', email: `${newId()}@example.com` }) },
    schema: {
      tags: ['auth'],
      operationId: 'signUp',
      summary: 'Signs a user up',
      body: NewUser,
      response: { 202: Type.Object({ id: Type.String({ description: 'Id of the user' }) }, { description: 'Accepted', headers: { location: { type: 'string', description: 'Path of the user' } } }) }
    }
  }, async (request, reply) => {
    const id = newId()
    const command = createUserCommand({ subject: id, data: { id, ...request.body }, traceparent: request.traceparent })
    await app.transaction(async db => await app.outbox.add(db, command))
    request.log.info({ userId: id, eventId: command.id }, 'sign-up accepted')
    reply.code(202).header('location', `/api/users/${id}`)
    return { id }
  })
}
