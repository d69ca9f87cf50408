import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Pool } from 'pg'
import { knownForMs, type Topic } from '@pair/events'

const cleanEveryMs = 60 * 60 * 1000
const rowsAtOnce = 1000

const cleanSql = `
  delete from inbox where ctid = any(array(
    select ctid from inbox where seen_at < now() - $1 * interval '1 millisecond' limit $2 for update skip locked
  ))`

/** Removes the marks of events that can come no more, from none of the topics and in no replay: none where a topic keeps its events for ever. */
export const inboxCleanup = fp(async (app: FastifyInstance, { topics }: { topics: Topic[] }) => {
  const keepMs = Math.max(...topics.map(knownForMs))
  if (keepMs === Infinity) return
  let isStopped = false
  const clean = () => {
    removeOldMarks(app.database.pool, keepMs, () => isStopped).catch(err => app.log.debug({ err }, 'inbox not cleaned this time'))
  }
  app.database.migrated.then(clean, () => {})
  const timer = setInterval(clean, cleanEveryMs)

  app.addHook('onClose', async () => {
    isStopped = true
    clearInterval(timer)
  })
}, { name: 'inbox', dependencies: ['database'] })

/** Works in small groups, so that it holds up nobody. @returns how many marks were removed */
export async function removeOldMarks (pool: Pool, keepMs: number, isStopped: () => boolean = () => false): Promise<number> {
  let removed = 0
  for (let group = rowsAtOnce; group === rowsAtOnce && !isStopped();) {
    const { rowCount } = await pool.query(cleanSql, [keepMs, rowsAtOnce])
    group = rowCount ?? 0
    removed += group
  }
  return removed
}
