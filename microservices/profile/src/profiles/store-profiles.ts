import type { Db } from '@pair/service'
import type { UserRegister } from '@pair/shared-topics'

// Rows are inserted in key order, so that two replicas cannot deadlock. If a batch has two events of one user, the first is stored.
const storeSql = `
  with registered as (
    select distinct on (user_id) * from json_to_recordset($1) as registered (number int, user_id uuid, email text, username text)
    order by user_id, number
  ), created as (
    insert into profiles (user_id, email, username) select user_id, email, username from registered
    on conflict (user_id) do nothing returning user_id
  )
  select number from registered join created using (user_id)`

/** Stores the profiles of registered users. @returns for each user whether a profile was created; an existing profile is kept */
export async function storeProfiles (db: Db, users: UserRegister[]): Promise<boolean[]> {
  const rows = users.map(({ id, email, username }, number) => ({ number, user_id: id, email, username }))
  const created = await db.query<{ number: number }>({ name: 'store-profiles', text: storeSql, values: [JSON.stringify(rows)] })
  const numbers = new Set(created.rows.map(({ number }) => number))
  return users.map((_user, number) => numbers.has(number))
}
