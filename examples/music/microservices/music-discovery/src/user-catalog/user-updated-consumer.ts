import type { FastifyPluginAsync } from 'fastify'
import { newId } from '@pair/service'
import { userUpdated } from '@pair/music-shared-topics'

const createSql = 'insert into catalogs (id, user_id, username) values ($1, $2, $3) on conflict (user_id) do nothing'

/** The integration event of a new user: an initial catalogue, without a playlist. */
export const userUpdatedConsumer: FastifyPluginAsync = async (app) => {
  app.consumer({
    topic: userUpdated,
    async handle ({ data: { id, username } }, { db, log }) {
      const catalogId = newId()
      const { rowCount } = await db.query(createSql, [catalogId, id, username])
      if (rowCount === 0) return 'ignored' // the user has one already
      log.info({ userId: id, catalogId }, 'catalogue created')
      return 'processed'
    }
  })
}
