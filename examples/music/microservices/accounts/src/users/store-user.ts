import { ProblemError, type App } from '@pair/service'
import { userUpdated } from '@pair/music-shared-topics'
import { hashPassword } from './password.js'
import type { NewUserBody } from './schemas.js'

// Without "on conflict", PostgreSQL would write the value that is taken into its log.
const insertSql = 'insert into users (id, username, email, password_hash) values ($1, $2, $3, $4) on conflict do nothing'

const takenSql = `
  select case
    when exists (select from users where id = $1) then 'id'
    when exists (select from users where lower(username collate "C") = lower($2::text collate "C")) then 'username'
    else 'email'
  end as field`

/**
 * Returns a function that stores a user and its event in one transaction, and resolves to the event's id. It throws ProblemError
 * 409 with the field that is taken.
 */
export function userStore (app: Pick<App, 'database' | 'outbox' | 'sends' | 'transaction'>) {
  const createUserUpdated = app.sends(userUpdated)

  return async function storeUser ({ id, username, password, email }: NewUserBody, traceparent: string): Promise<string> {
    // Before the transaction: a hash takes far longer than the statements.
    const passwordHash = await hashPassword(password)
    const event = createUserUpdated({ subject: id, data: { id, username, email }, traceparent })
    const isStored = await app.transaction(async db => {
      const { rowCount } = await db.query(insertSql, [id, username, email, passwordHash])
      if (rowCount === 1) await app.outbox.add(db, event)
      return rowCount === 1
    })
    if (isStored) return event.id
    const { rows: [taken] } = await app.database.requestPool.query<{ field: string }>(takenSql, [id, username])
    throw new ProblemError(409, [{ field: taken?.field ?? 'id', message: 'is taken' }])
  }
}
