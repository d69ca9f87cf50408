import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { relay } from '../limits.js'
import { noRelay } from './table.js'

/** A relay that says nothing for this long has died: the rows of its ids are then another relay's. */
const { leaseS } = relay

/** The statements that take, keep and give back relay ids. Each is one transaction, and none waits for a lock. */
export interface Leases {
  /** An id that nobody holds, or a new one; undefined where another relay was faster. */
  acquire: () => Promise<number | undefined>
  /**
   * Keeps the ids of this relay for another `leaseS`.
   * @param adopt whether to take ids with waiting rows whose relay has died, too
   * @returns all that are this relay's now
   */
  renew: (adopt: boolean) => Promise<number[]>
  /** Gives back those of the ids that have no rows any more, and returns them. */
  release: (ids: number[]) => Promise<number[]>
  /** Gives back all of them, rows or not. */
  releaseAll: () => Promise<void>
}

// Asked so that the index answers: for "exists" PostgreSQL may read the whole table.
const hasRows = '(select min(type) from outbox where relay_id = outbox_relays.id and parked is null) is not null'
const untilSql = `now() + interval '${leaseS} s'`

const acquireSql = `
  with free as (
    select id from outbox_relays where id <> ${noRelay} and held_until < now() order by id limit 1 for update skip locked
  ), taken as (
    update outbox_relays set held_by = $1, held_until = ${untilSql} from free where outbox_relays.id = free.id returning outbox_relays.id
  ), made as (
    insert into outbox_relays (id, held_by, held_until)
    select (select max(id) from outbox_relays) + 1, $1, ${untilSql} where not exists (select from taken)
    on conflict (id) do nothing returning id
  )
  select id from taken union all select id from made`

const renewSql = `
  with kept as (
    select id from outbox_relays where held_by = $1 or ($2 and held_until < now() and (${hasRows})) for update skip locked
  )
  update outbox_relays set held_by = $1, held_until = ${untilSql} from kept where outbox_relays.id = kept.id returning outbox_relays.id`

const releaseSql = `
  update outbox_relays set held_by = null, held_until = '-infinity'
  where held_by = $1 and id = any($2::int[]) and not (${hasRows}) returning id`

const releaseAllSql = 'update outbox_relays set held_by = null, held_until = \'-infinity\' where held_by = $1'

/** For one relay, from its start to its end. */
export function outboxLeases (pool: Pool): Leases {
  const holder = randomUUID()
  const ids = async (text: string, ...values: unknown[]) => {
    const { rows } = await pool.query<{ id: number }>(text, [holder, ...values])
    return rows.map(({ id }) => id)
  }
  return {
    acquire: async () => (await ids(acquireSql))[0],
    renew: async adopt => await ids(renewSql, adopt),
    release: async given => await ids(releaseSql, given),
    releaseAll: async () => { await ids(releaseAllSql) }
  }
}
