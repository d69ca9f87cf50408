import { createUser } from '@pair/payments-shared-topics'
import type { FastifyPluginAsync } from 'fastify'

/** Topic create_user: stores the user, or that the sign-up was refused because another user has its email. */
export const createUserConsumer: FastifyPluginAsync = async (app) => {
  app.consumer({
    topic: createUser,
    async handle ({ data: { id, name, email } }, { db, log }) {
      const { rowCount } = await db.query('insert into users (id, name, email) values ($1, $2, $3) on conflict do nothing', [id, name, email])
      if (rowCount === 1) {
        log.info({ userId: id }, 'user created')
        return 'processed'
      }
      // The id is there if the command was sent twice with two event ids; else the email is taken.
      const refused = await db.query('insert into refused_sign_ups (id) select $1 where not exists (select from users where id = $1) on conflict do nothing', [id])
      if (refused.rowCount === 1) log.info({ userId: id }, 'sign-up refused: the email is taken')
      return 'ignored'
    }
  })
}
