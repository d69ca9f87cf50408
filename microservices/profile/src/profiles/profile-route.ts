import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { eq } from 'drizzle-orm'
import { ProblemError, problemResponse } from 'shared-service'
import { Profile, UserId } from './schemas.js'
import { profiles } from './table.js'

/** GET /profile/:userId: 404 until the event of the user has arrived. */
export const profileRoute: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/profile/:userId', {
    schema: {
      tags: ['profiles'],
      params: UserId,
      response: { 200: Profile, '4xx': problemResponse, '5xx': problemResponse }
    }
  }, async (request) => {
    const [profile] = await app.database.orm.select().from(profiles).where(eq(profiles.user_id, request.params.userId))
    if (profile === undefined) throw new ProblemError(404)
    return { userId: profile.user_id, email: profile.email, username: profile.username, createdAt: profile.created_at.toISOString() }
  })
}
