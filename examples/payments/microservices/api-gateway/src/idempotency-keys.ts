import type { App, Db } from '@pair/service'
import { createHash } from 'node:crypto'

const hourMs = 60 * 60 * 1000
const batchRows = 1000

// Takes the key if it is new or has expired. A request with the same key at the same time waits here for the other's commit.
const takeSql = `
  insert into idempotency_keys (user_id, key, fingerprint, payment_id) values ($1, $2, $3, $4)
  on conflict (user_id, key) do update set fingerprint = excluded.fingerprint, payment_id = excluded.payment_id, created_at = now()
    where idempotency_keys.created_at <= now() - $5 * interval '1 s'
  returning payment_id`
const knownSql = 'select payment_id as "paymentId", fingerprint from idempotency_keys where user_id = $1 and key = $2'

const deleteSql = `
  delete from idempotency_keys where ctid = any(array(
    select ctid from idempotency_keys where created_at <= now() - $1 * interval '1 s' limit $2 for update skip locked
  ))`

export interface KeyUse { userId: string, key: string, paymentId: string, request: unknown }

/** A key's first use: `isNew`. Later uses return the id of the first. */
export interface Taken { isNew: boolean, paymentId: string, isSame: boolean }

/** Takes an idempotency key in the transaction of what it protects: both are stored, or neither. */
export async function takeKey (db: Db, { userId, key, paymentId, request }: KeyUse, lifetimeS: number): Promise<Taken> {
  const fingerprint = createHash('sha256').update(JSON.stringify(request)).digest('hex')
  const { rowCount } = await db.query(takeSql, [userId, key, fingerprint, paymentId, lifetimeS])
  if (rowCount === 1) return { isNew: true, paymentId, isSame: true }
  const { rows } = await db.query<{ paymentId: string, fingerprint: string }>(knownSql, [userId, key])
  const known = rows[0] as typeof rows[number] // "on conflict" has locked the row, so nothing deletes it
  return { isNew: false, paymentId: known.paymentId, isSame: known.fingerprint === fingerprint }
}

/** Deletes expired keys, each hour, or after each lifetime if that is shorter. */
export async function keyCleanup (app: App): Promise<void> {
  const lifetimeS = app.settings.IDEMPOTENCY_KEY_LIFETIME_S
  const stop = new AbortController()
  const clean = () => {
    deleteExpired(app, lifetimeS, stop.signal).catch(err => app.log.debug({ err }, 'idempotency keys not cleaned this time'))
  }
  app.database.migrated.then(clean, () => {})
  const timer = setInterval(clean, Math.min(hourMs, lifetimeS * 1000))
  app.addHook('onClose', async () => {
    stop.abort()
    clearInterval(timer)
  })
}

/** In batches, so that no lock is held for long. */
async function deleteExpired ({ database }: App, lifetimeS: number, signal: AbortSignal): Promise<void> {
  for (let deleted = batchRows; deleted === batchRows && !signal.aborted;) {
    deleted = (await database.pool.query(deleteSql, [lifetimeS, batchRows])).rowCount ?? 0
  }
}
