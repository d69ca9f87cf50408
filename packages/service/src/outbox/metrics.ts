import type { FastifyBaseLogger } from 'fastify'
import type { Pool } from 'pg'
import { Gauge, type Registry } from 'prom-client'
import { readOnDemand } from '../metrics/read-on-demand.js'

// A long outage leaves more than anybody needs to be told exactly; the oldest row is found by its index.
const outboxSql = `
  select count(*) filter (where parked is null) as waiting, count(*) filter (where parked is not null) as parked,
    coalesce((select extract(epoch from now() - min(created_at)) from outbox where parked is null), 0) as age
  from (select parked from outbox limit 100000) as counted`

/** What waits in the outbox, asked when somebody wants to know; nothing while the database is away. */
export function outboxMetrics (registry: Registry, database: { pool: Pick<Pool, 'query'>, isUp: boolean }, log: FastifyBaseLogger): void {
  type Row = Record<'waiting' | 'parked' | 'age', string>
  let asking: Promise<Row | undefined> | undefined

  // Once for both metrics, and for all who ask meanwhile. A database that does not answer fails the query within 2 s.
  const ask = async () => {
    if (!database.isUp) return undefined
    asking ??= database.pool.query<Row>(outboxSql)
      .then(({ rows: [row] }) => row, err => {
        log.debug({ err }, 'outbox not counted')
        return undefined
      })
      .finally(() => { asking = undefined })
    return await asking
  }

  readOnDemand(registry, Gauge, {
    name: 'outbox_events',
    help: 'Events in the outbox, of 100,000 at most: waiting for their acknowledgement, or parked because the broker does not take them',
    labelNames: ['state'],
    async read () {
      const row = await ask()
      return row === undefined ? [] : [[{ state: 'waiting' }, Number(row.waiting)], [{ state: 'parked' }, Number(row.parked)]]
    }
  })
  readOnDemand(registry, Gauge, {
    name: 'outbox_oldest_event_age_seconds',
    help: 'Age of the oldest event that waits in the outbox, 0 without one; by the clock of the database',
    labelNames: [],
    async read () {
      const row = await ask()
      return row === undefined ? [] : [[{}, Number(row.age)]]
    }
  })
}
