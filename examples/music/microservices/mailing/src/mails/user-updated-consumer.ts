import type { FastifyPluginAsync } from 'fastify'
import { userUpdated } from '@pair/music-shared-topics'

const addSql = `
  insert into mails (user_id, event_id, email, username, origin, trace_id) values ($1, $2, $3, $4, $5, $6)
  on conflict do nothing`

/**
 * The integration event of a new user: its mail is to be sent. Only a row is written here, in the transaction of the event's
 * inbox entry. A mail server that is slow or away holds up no event.
 */
export const userUpdatedConsumer: FastifyPluginAsync = async (app) => {
  app.consumer({
    topic: userUpdated,
    async handle ({ id: eventId, data: { id, email, username }, traceparent }, { db, origin }) {
      const traceId = traceparent?.split('-')[1] ?? null
      const { rowCount } = await db.query(addSql, [id, eventId, email, username, origin, traceId])
      return rowCount === 0 ? 'ignored' : 'processed' // one mail a user, whatever events come
    }
  })
}
