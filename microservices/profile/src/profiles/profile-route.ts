import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ProblemError, problemResponse } from '@pair/service'
import { Profile, UserId } from './schemas.js'

const profileSql = 'select user_id as "userId", email, username, created_at as "createdAt" from profiles where user_id = $1'

interface StoredProfile { userId: string, email: string, username: string, createdAt: Date }

/** GET /profile/:userId: 404 until the user's event has been processed. */
export const profileRoute: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/profile/:userId', {
    schema: {
      tags: ['profiles'],
      operationId: 'getProfile',
      summary: 'Returns the profile of a user',
      params: UserId,
      response: { 200: Profile, 404: { ...problemResponse, description: 'No user has this id, or the event of the user has not arrived yet' } }
    }
  }, async (request) => {
    const { rows: [profile] } = await app.database.requestPool.query<StoredProfile>(profileSql, [request.params.userId])
    if (profile === undefined) throw new ProblemError(404)
    return { ...profile, createdAt: profile.createdAt.toISOString() }
  })
}
