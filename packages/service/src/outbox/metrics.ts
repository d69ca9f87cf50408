import type { FastifyBaseLogger } from 'fastify'
import type { Pool } from 'pg'
import { Gauge, type Registry } from 'prom-client'
import { readOnDemand } from '../metrics/read-on-demand.js'

// The count stops at 100,000 rows, so that it stays cheap after a long outage. The index finds the oldest row.
const outboxSql = `
  select count(*) filter (where parked is null) as waiting, count(*) filter (where parked is not null) as parked,
    coalesce((select extract(epoch from now() - min(created_at)) from outbox where parked is null), 0) as age
  from (select parked from outbox limit 100000) as counted`

/** Gauges of the outbox, queried when /metrics is read. They have no value while the database is unreachable. */
export function outboxMetrics (registry: Registry, database: { pool: Pick<Pool, 'query'>, isUp: boolean }, log: FastifyBaseLogger): void {
  type Row = Record<'waiting' | 'parked' | 'age', string>
  let reading: Promise<Row | undefined> | undefined

  // Both metrics and concurrent reads share one query. If the database does not answer, the query fails within 2 s.
  const readCounts = async () => {
    if (!database.isUp) return undefined
    reading ??= database.pool.query<Row>(outboxSql)
      .then(({ rows: [row] }) => row, err => {
        log.debug({ err }, 'outbox not counted')
        return undefined
      })
      .finally(() => { reading = undefined })
    return await reading
  }

  readOnDemand(registry, Gauge, {
    name: 'outbox_events',
    help: 'Events in the outbox, counted up to 100,000: waiting for their acknowledgement, or parked because the broker refuses them',
    labelNames: ['state'],
    async read () {
      const row = await readCounts()
      return row === undefined ? [] : [[{ state: 'waiting' }, Number(row.waiting)], [{ state: 'parked' }, Number(row.parked)]]
    }
  })
  readOnDemand(registry, Gauge, {
    name: 'outbox_oldest_event_age_seconds',
    help: 'Age of the oldest waiting event in the outbox by the clock of the database; 0 if none waits',
    labelNames: [],
    async read () {
      const row = await readCounts()
      return row === undefined ? [] : [[{}, Number(row.age)]]
    }
  })
}
