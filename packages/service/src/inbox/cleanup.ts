import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Pool } from 'pg'
import { knownForMs, type Topic } from '@pair/events'

const cleanEveryMs = 60 * 60 * 1000
const batchRows = 1000

const cleanSql = `
  delete from inbox where ctid = any(array(
    select ctid from inbox where seen_at < now() - $1 * interval '1 millisecond' limit $2 for update skip locked
  ))`

/** Removes, each hour, the inbox entries of events that neither a topic nor a replay can bring again. If a topic has unlimited retention, nothing is removed. */
export const inboxCleanup = fp(async (app: FastifyInstance, { topics }: { topics: Topic[] }) => {
  const keepMs = Math.max(...topics.map(knownForMs))
  if (keepMs === Infinity) return
  let isStopped = false
  const clean = () => {
    removeOldEntries(app.database.pool, keepMs, () => isStopped).catch(err => app.log.debug({ err }, 'inbox not cleaned this time'))
  }
  app.database.migrated.then(clean, () => {})
  const timer = setInterval(clean, cleanEveryMs)

  app.addHook('onClose', async () => {
    isStopped = true
    clearInterval(timer)
  })
}, { name: 'inbox', dependencies: ['database'] })

/** Deletes in batches of 1000 rows, so that no lock is held for long. @returns the number of deleted entries */
export async function removeOldEntries (pool: Pool, keepMs: number, isStopped: () => boolean = () => false): Promise<number> {
  let removed = 0
  for (let deleted = batchRows; deleted === batchRows && !isStopped();) {
    const { rowCount } = await pool.query(cleanSql, [keepMs, batchRows])
    deleted = rowCount ?? 0
    removed += deleted
  }
  return removed
}
