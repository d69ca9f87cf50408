import type { Pool } from 'pg'
import { Groups } from 'shared-service'
import type { Event, UserRegister } from 'shared-topics'

// One statement, so one transaction and one round trip: an event is marked as seen if, and only if, its effect is stored.
// Of two that are the same, the first has the effect. In the order of the keys, so that replicas do not wait for each other's.
const storeSql = `
  with event as (
    select distinct on (source, id) * from json_to_recordset($1) as event (number int, source text, id text, user_id uuid, email text, username text)
    order by source, id, number
  ), marked as (
    insert into inbox (source, id) select source, id from event on conflict do nothing returning source, id
  ), created as (
    insert into profiles (user_id, email, username)
    select user_id, email, username from event join marked using (source, id) order by user_id, number
    on conflict (user_id) do nothing returning user_id
  )
  select source, id, created.user_id is not null and number = min(number) over (partition by user_id) as "isCreated"
  from marked join event using (source, id) left join created using (user_id)`

export interface Stored {
  /** The event had its effect before; this time it had none. */
  isSeen: boolean
  /** False too where the user had a profile already: the first one is kept. */
  isCreated: boolean
}

/**
 * Returns what stores the profile of a user who has registered. Any number of times: the same event has its effect once.
 * Events that come at the same time are stored together.
 */
export function profileStore (pool: Pool): (event: Event<UserRegister>) => Promise<Stored> {
  const groups = new Groups(async (events: Array<Event<UserRegister>>) => {
    const rows = events.map(({ source, id, data }, number) => ({ number, source, id, user_id: data.id, email: data.email, username: data.username }))
    const stored = await pool.query<{ source: string, id: string, isCreated: boolean }>({ name: 'store-profiles', text: storeSql, values: [JSON.stringify(rows)] })
    const marked = new Map(stored.rows.map(row => [nameOf(row), row.isCreated]))
    return events.map(event => {
      const isCreated = marked.get(nameOf(event))
      marked.delete(nameOf(event)) // the same event once more in this group has been seen
      return { isSeen: isCreated === undefined, isCreated: isCreated ?? false }
    })
  })
  return async event => await groups.run(event)
}

const nameOf = ({ source, id }: { source: string, id: string }) => JSON.stringify([source, id])
