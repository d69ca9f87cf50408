import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { relay } from '../limits.js'
import { noRelay } from './table.js'

/** Lease in seconds. A relay that has not renewed it counts as dead, and another relay takes its ids and rows. */
const { leaseS } = relay

/** The statements that acquire, renew and release relay ids. Each is one transaction, and none waits for a lock. */
export interface Leases {
  /** Returns a free id or a new one; undefined if another relay took it first. */
  acquire: () => Promise<number | undefined>
  /**
   * Renews the ids of this relay for another `leaseS`.
   * @param adopt whether to also take the ids of dead relays that have waiting rows
   * @returns all ids that this relay now holds
   */
  renew: (adopt: boolean) => Promise<number[]>
  /** Releases those of the ids that have no rows left, and returns them. */
  release: (ids: number[]) => Promise<number[]>
  /** Releases all ids, with or without rows. */
  releaseAll: () => Promise<void>
}

// min() uses the index; with "exists" PostgreSQL may scan the whole table.
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

/** Creates the leases of one relay. Its holder id is new at each start. */
export function outboxLeases (pool: Pool): Leases {
  const holder = randomUUID()
  const ids = async (text: string, ...values: unknown[]) => {
    const { rows } = await pool.query<{ id: number }>(text, [holder, ...values])
    return rows.map(({ id }) => id)
  }
  return {
    acquire: async () => (await ids(acquireSql))[0],
    renew: async adopt => await ids(renewSql, adopt),
    release: async released => await ids(releaseSql, released),
    releaseAll: async () => { await ids(releaseAllSql) }
  }
}
