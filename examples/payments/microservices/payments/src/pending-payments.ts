import type { App } from '@pair/service'

/** A pending payment that one worker has claimed. */
export interface Claimed {
  id: string
  userId: string
  amount: number
  currency: string
  /** Number of this claim: see the table's column. */
  claims: number
  /** When it was claimed, before anything was asked, by the database's clock. */
  claimedAt: Date
  traceparent: string | null
}

/** Lease of a claim: longer than a question, a charge and three statements may take. Then another worker claims the payment. */
const leaseS = 10
/** A payment whose user auth has not known for this long, in s, is declined. */
const unknownForS = 5

// Workers of several instances skip each other's rows.
const claimSql = `
  with next as (
    select id from payments where status = 'pending' and claimable_at <= now() order by claimable_at limit $1 for update skip locked
  )
  update payments set claims = claims + 1, claimable_at = now() + ${leaseS} * interval '1 s' from next where payments.id = next.id
  returning payments.id, user_id as "userId", amount::float8 as amount, currency, claims, now() as "claimedAt", traceparent`

const own = "where id = $1 and claims = $2 and status = 'pending'"

const processedSql = `update payments set status = 'processed', charge_id = $3 ${own}`
const declinedSql = `update payments set status = 'declined', reason = $3 ${own}`
// With the database's clock, which is the same for all instances. Declines only if this question was asked 5 s after the first
// "unknown"; its answer may have come much later.
const unknownSql = `
  update payments set
    unknown_since = coalesce(unknown_since, now()),
    status = case when unknown_since < $3::timestamptz - ${unknownForS} * interval '1 s' then 'declined' else status end,
    reason = case when unknown_since < $3::timestamptz - ${unknownForS} * interval '1 s' then 'unknown-user' end,
    claimable_at = now() + interval '250 ms'
  ${own} returning status`
const againSql = `update payments set claimable_at = now() + $3 * interval '1 ms' ${own}`
const forgetSql = "update payments set unknown_since = null where status = 'pending' and unknown_since is not null"

/** The pending payments in the table, which the workers of all instances share. */
export function pendingPayments ({ pool }: App['database']) {
  return {
    /** Claims up to `limit` payments, the longest waiting first. */
    claim: async (limit: number): Promise<Claimed[]> => (await pool.query<Claimed>(claimSql, [limit])).rows,
    /** @returns false if the claim has expired and another one was made; nothing is changed then */
    processed: async ({ id, claims }: Claimed, chargeId: string): Promise<boolean> => (await pool.query(processedSql, [id, claims, chargeId])).rowCount === 1,
    declined: async ({ id, claims }: Claimed, reason: string): Promise<boolean> => (await pool.query(declinedSql, [id, claims, reason])).rowCount === 1,
    /** Auth does not know the user: asked again soon, and declined after 5 s of such answers. @returns whether it was declined */
    async unknownUser ({ id, claims, claimedAt }: Claimed): Promise<boolean> {
      const { rows: [payment] } = await pool.query<{ status: string }>(unknownSql, [id, claims, claimedAt])
      return payment?.status === 'declined'
    },
    /** Something did not answer. */
    async tryAgain ({ id, claims }: Claimed, afterMs: number): Promise<void> {
      await pool.query(againSql, [id, claims, afterMs])
    },
    /** Auth does not answer, and may miss users meanwhile: the 5 s of all payments begin again. */
    async forgetUnknown (): Promise<void> {
      await pool.query(forgetSql)
    },
    async isEmpty (): Promise<boolean> {
      return (await pool.query("select from payments where status = 'pending' limit 1")).rowCount === 0
    }
  }
}
