import { getUser, type User } from '@pair/payments-shared-topics'
import { ReplyError } from '@pair/service'
import type { FastifyPluginAsync } from 'fastify'

const userSql = { name: 'user', text: 'select id, name, email from users where id = $1' }
const refusedSql = { name: 'refused', text: 'select from refused_sign_ups where id = $1' }

/** Topic get_user: answers who a user is. Without the inbox: a question that comes twice is read twice. */
export const getUserAnswer: FastifyPluginAsync = async (app) => {
  app.answer(getUser, async ({ data: { userId } }) => {
    const { pool } = app.database
    const { rows: [user] } = await pool.query<User>({ ...userSql, values: [userId] })
    if (user !== undefined) return user
    const { rowCount } = await pool.query({ ...refusedSql, values: [userId] })
    if (rowCount === 1) throw new ReplyError('EMAIL_TAKEN', 'the sign-up was refused: another user has its email')
    throw new ReplyError('UNKNOWN_USER', 'there is no such user')
  }, { inbox: false })
}
