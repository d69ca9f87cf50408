import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { eq } from 'drizzle-orm'
import { ProblemError, problemResponse } from 'shared-service'
import { User, UserId } from './schemas.js'
import { users } from './table.js'

/** GET /user/:id */
export const userRoute: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/user/:id', {
    schema: {
      tags: ['users'],
      params: UserId,
      response: { 200: User, '4xx': problemResponse, '5xx': problemResponse }
    }
  }, async (request) => {
    const [user] = await app.database.orm.select().from(users).where(eq(users.id, request.params.id))
    if (user === undefined) throw new ProblemError(404)
    return { id: user.id, email: user.email, username: user.username, createdAt: user.created_at.toISOString() }
  })
}
