import type { Pool } from 'pg'
import { Groups, newId, ProblemError, violatedUnique } from 'shared-service'
import { createEvent, userRegister } from 'shared-topics'

export interface User {
  id: string
  email: string
  username: string
  createdAt: Date
}

/** The event that says so, as it stands in the outbox. */
export interface OutboxEvent { id: string, aggregateid: string, type: string, payload: string, traceparent: string }

type Registration = { user: User, event: OutboxEvent }

// One statement, so one transaction and one round trip: there is no user without its event and no event without its user.
// In the order of the first unique key, so that replicas rarely wait for each other's; a deadlock ends with each row alone.
const storeSql = (onConflict: string) => `
  with new as (
    select * from json_to_recordset($1) as new (user_id uuid, email text, username text, created_at timestamptz, event_id uuid, topic text, payload text, traceparent text)
  ), registered as (
    insert into users (id, email, username, created_at) select user_id, email, username, created_at from new order by lower(email)
    ${onConflict} returning id
  ), announced as (
    insert into outbox (id, aggregatetype, aggregateid, type, payload, traceparent)
    select event_id, 'user', user_id, topic, payload, traceparent from new join registered on registered.id = new.user_id
  )
  select id from registered`
const storeFree = { name: 'store-users', text: storeSql('on conflict do nothing') }
const storeOrTell = { name: 'store-user', text: storeSql('') }

const takenField: Record<string, string> = { users_email_key: 'email', users_username_key: 'username' }

/**
 * Returns what stores a user together with the event that says so; that event is on its way to the topic from then on,
 * whoever sends it. Those who register at the same time are stored together, and each conflict is told to its own caller.
 *
 * It throws ProblemError 409, naming the field that is taken.
 */
export function userStore (pool: Pool) {
  const store = async (statement: typeof storeFree, registrations: Registration[]): Promise<Set<string>> => {
    const rows = registrations.map(({ user, event }) => ({
      user_id: user.id, email: user.email, username: user.username, created_at: user.createdAt, event_id: event.id, topic: event.type, payload: event.payload, traceparent: event.traceparent
    }))
    const stored = await pool.query<{ id: string }>({ ...statement, values: [JSON.stringify(rows)] })
    return new Set(stored.rows.map(({ id }) => id))
  }
  const groups = new Groups(async (registrations: Registration[]) => {
    const stored = await store(storeFree, registrations)
    return registrations.map(({ user }) => stored.has(user.id))
  })

  return async function storeUser ({ email, username }: { email: string, username: string }, traceparent: string): Promise<{ user: User, event: OutboxEvent }> {
    const user = { id: newId(), email, username, createdAt: new Date() }
    const event = createEvent(userRegister, {
      id: newId(), subject: user.id, time: user.createdAt, traceparent, data: { id: user.id, email, username }
    })
    const row = { id: event.id, aggregateid: user.id, type: userRegister.name, payload: JSON.stringify(event), traceparent }
    const registration = { user, event: row }
    try {
      if (!await groups.run(registration)) await store(storeOrTell, [registration])
    } catch (error) {
      const field = takenField[violatedUnique(error) ?? '']
      if (field === undefined) throw error
      throw new ProblemError(409, [{ field, message: 'is taken' }])
    }
    return { user, event: row }
  }
}
