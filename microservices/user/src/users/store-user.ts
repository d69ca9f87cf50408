import type { Pool } from 'pg'
import { newId, ProblemError, violatedUnique } from 'shared-service'
import { createEvent, userRegister } from 'shared-topics'

export interface User {
  id: string
  email: string
  username: string
  createdAt: Date
}

export interface OutboxEvent {
  row: { id: string, aggregateid: string, type: string, payload: string }
  isFirst: boolean
}

// One statement, so one transaction and one round trip: there is no user without its event and no event without its user.
const storeSql = `
  with registered as (
    insert into users (id, email, username, created_at) values ($1, $2, $3, $4)
  ), announced as (
    insert into outbox (id, aggregatetype, aggregateid, type, payload, traceparent) values ($5, 'user', $6, $7, $8, $9)
  )
  select not exists (select from outbox where aggregateid = $6 and parked is null) as is_first`

const takenField: Record<string, string> = { users_email_key: 'email', users_username_key: 'username' }

/**
 * Stores a user together with the event that says so.
 *
 * @returns both; the event is on its way to the topic from now on, whoever sends it
 * @throws ProblemError 409 naming the field that is taken
 */
export async function storeUser (pool: Pool, typed: { email: string, username: string }, traceparent?: string): Promise<{ user: User, event: OutboxEvent }> {
  const { email, username } = typed
  const user = { id: newId(), email, username, createdAt: new Date() }
  const event = createEvent(userRegister, {
    id: newId(), subject: user.id, time: user.createdAt, traceparent, data: { id: user.id, email, username }
  })
  const row = { id: event.id, aggregateid: user.id, type: userRegister.name, payload: JSON.stringify(event) }
  try {
    const { rows } = await pool.query<{ is_first: boolean }>({
      name: 'store-user',
      text: storeSql,
      values: [user.id, email, username, user.createdAt, row.id, row.aggregateid, row.type, row.payload, traceparent ?? null]
    })
    return { user, event: { row, isFirst: rows[0]?.is_first ?? true } }
  } catch (error) {
    const field = takenField[violatedUnique(error) ?? '']
    if (field === undefined) throw error
    throw new ProblemError(409, [{ field, message: 'is taken' }])
  }
}
