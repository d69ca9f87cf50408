import { Batcher, newId, ProblemError, type App } from '@pair/service'
import { userRegister } from '@pair/shared-topics'

export interface User {
  id: string
  email: string
  username: string
  createdAt: Date
}

// In the order of the first unique key, so that replicas rarely wait for each other's; a deadlock ends with each row alone.
const insertSql = `
  insert into users (id, email, username, created_at)
  select id, email, username, "createdAt" from json_to_recordset($1) as new (id uuid, email text, username text, "createdAt" timestamptz)
  order by lower(email collate "C")
  on conflict do nothing returning id`

// Only after a conflict. The error of a unique index would name the field too, but write its value into PostgreSQL's log.
const takenSql = `
  select case
    when exists (select from users where lower(email collate "C") = lower($1::text collate "C")) then 'email'
    when exists (select from users where lower(username collate "C") = lower($2::text collate "C")) then 'username'
  end as field`

/** The insert is tried again where the email or username was freed between it and the query for the field. */
const attempts = 3

/**
 * Returns a function that stores a user and its event in one transaction. Users who register at the same time share a
 * transaction; a conflict fails its own caller alone.
 *
 * It throws ProblemError 409 with the field that is taken, the email where both are; 503 after three attempts.
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
