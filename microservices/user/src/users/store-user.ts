import { Batcher, newId, ProblemError, type App } from '@pair/service'
import { userRegister } from '@pair/shared-topics'

export interface User {
  id: string
  email: string
  username: string
  createdAt: Date
}

// Rows are inserted in the order of the first unique key, so that replicas rarely deadlock. After a deadlock the Batcher stores each row separately.
const insertSql = `
  insert into users (id, email, username, created_at)
  select id, email, username, "createdAt" from json_to_recordset($1) as new (id uuid, email text, username text, "createdAt" timestamptz)
  order by lower(email collate "C")
  on conflict do nothing returning id`

// Runs only after a conflict. The error of a unique index would name the field too, but PostgreSQL would log the value.
const takenSql = `
  select case
    when exists (select from users where lower(email collate "C") = lower($1::text collate "C")) then 'email'
    when exists (select from users where lower(username collate "C") = lower($2::text collate "C")) then 'username'
  end as field`

/** The insert is retried if the email or username became free before the query for the conflicting field ran. */
const attempts = 3

/**
 * Returns a function that stores a user and its event in one transaction. Users who register at the same time share a
 * transaction; a conflict fails only its own caller.
 *
 * It throws ProblemError 409 with the field that is taken (the email if both are), and 503 after three attempts.
 */
export function userStore (app: Pick<App, 'database' | 'outbox' | 'sends'>) {
  const userRegistered = app.sends(userRegister)
  type Registration = { user: User, event: ReturnType<typeof userRegistered> }

  const batcher = new Batcher(async (registrations: Registration[]) => {
    const insert = { name: 'insert-users', text: insertSql, values: [JSON.stringify(registrations.map(({ user }) => user))] }
    const stored = await app.outbox.storeWithEvents(insert, registrations.map(({ event }) => event))
    return registrations.map(({ user }) => stored.has(user.id))
  })

  return async function storeUser ({ email, username }: { email: string, username: string }, traceparent: string): Promise<{ user: User, eventId: string }> {
    const user = { id: newId(), email, username, createdAt: new Date() }
    const event = userRegistered({ subject: user.id, time: user.createdAt, traceparent, data: { id: user.id, email, username } })
    const registration = { user, event }
    for (let attempt = 1; !await batcher.run(registration); attempt++) {
      const { rows: [taken] } = await app.database.requestPool.query<{ field: string | null }>(takenSql, [email, username])
      if (taken?.field) throw new ProblemError(409, [{ field: taken.field, message: 'is taken' }])
      if (attempt === attempts) throw new ProblemError(503)
    }
    return { user, eventId: event.id }
  }
}
