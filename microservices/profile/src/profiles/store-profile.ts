import type { Pool } from 'pg'
import type { Event, UserRegister } from 'shared-topics'

// One statement, so one transaction and one round trip: an event is marked as seen if, and only if, its effect is stored.
const storeSql = `
  with marked as (
    insert into inbox (source, id) values ($1, $2) on conflict do nothing returning id
  ), created as (
    insert into profiles (user_id, email, username) select $3, $4, $5 from marked
    on conflict (user_id) do nothing returning user_id
  )
  select not exists (select from marked) as "isSeen", exists (select from created) as "isCreated"`

export interface Stored {
  /** The event had its effect before; this time it had none. */
  isSeen: boolean
  /** False too where the user had a profile already: the first one is kept. */
  isCreated: boolean
}

/** Stores the profile of a user who has registered. Any number of times: the same event has its effect once. */
export async function storeProfile (pool: Pool, event: Event<UserRegister>): Promise<Stored> {
  const { id, email, username } = event.data
  const { rows } = await pool.query<Stored>({ name: 'store-profile', text: storeSql, values: [event.source, event.id, id, email, username] })
  return rows[0] ?? { isSeen: true, isCreated: false }
}
