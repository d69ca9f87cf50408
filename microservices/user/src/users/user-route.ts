import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ProblemError, problemResponse } from '@pair/service'
import { User, UserId } from './schemas.js'
import type { User as StoredUser } from './store-user.js'

const userSql = 'select id, email, username, created_at as "createdAt" from users where id = $1'

/** GET /user/:id */
export const userRoute: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/user/:id', {
    schema: {
      tags: ['users'],
      operationId: 'getUser',
      summary: 'Returns a user',
      params: UserId,
      response: { 200: User, 404: { ...problemResponse, description: 'No user has this id' } }
    }
  }, async (request) => {
    const { rows: [user] } = await app.database.requestPool.query<StoredUser>(userSql, [request.params.id])
    if (user === undefined) throw new ProblemError(404)
    return { ...user, createdAt: user.createdAt.toISOString() }
  })
}
