import type { Db, Origin } from '@pair/service'

/** A mail of the table. */
export interface Mail {
  userId: string
  eventId: string
  traceId: string | null
  origin: Origin
  attempts: number
}

export interface MailToSend extends Mail { email: string, username: string, isDue: boolean }

/** A mail whose recipient was refused: with the SMTP command and its answer's codes, without the server's text. */
export interface RefusedMail extends Mail { refusal: string }

/** The longest that a mail waits between two attempts while the mail server is away, in ms. */
export const longestPauseMs = 2000
/** The longest that a mail waits which the server refuses for now: greylisting takes minutes. */
const longestDeferralMs = 60_000

// The row is locked until the transaction ends, so that another instance takes the next one. PostgreSQL releases the lock when the
// connection ends, as it does when the process dies.
const nextSql = (which: string) => `
  select user_id as "userId", event_id as "eventId", trace_id as "traceId", email, username, origin, attempts, refusal, due_at <= now() as "isDue"
  from mails where ${which} order by due_at limit 1 for update skip locked`
const toBeSent = { name: 'next-mail', text: nextSql('email is not null') }
const toBeDeadLettered = { name: 'next-refusal', text: nextSql('refusal is not null and dead_lettered_at is null') }

const sentSql = 'update mails set email = null, username = null, attempts = attempts + 1, sent_at = now() where user_id = $1'
const refusedSql = 'update mails set email = null, username = null, attempts = attempts + 1, refusal = $2 where user_id = $1'
const deferredSql = `
  update mails set attempts = attempts + 1, due_at = now() + least(100 * power(2, least(attempts, 10)), $2) * interval '1 ms'
  where user_id = $1`
const deadLetteredSql = 'update mails set dead_lettered_at = now() where user_id = $1'

/** The mail that is due first, locked until the end of the transaction. */
export async function nextMail (db: Db): Promise<MailToSend | undefined> {
  return (await db.query<MailToSend>(toBeSent)).rows[0]
}

/** A mail that was refused and has no dead letter yet, locked until the end of the transaction. */
export async function nextRefusal (db: Db): Promise<RefusedMail | undefined> {
  return (await db.query<RefusedMail>(toBeDeadLettered)).rows[0]
}

export async function markSent (db: Db, { userId }: Mail): Promise<void> {
  await db.query(sentSql, [userId])
}

export async function markRefused (db: Db, { userId }: Mail, refusal: string): Promise<void> {
  await db.query(refusedSql, [userId, refusal])
}

/** The mail server is away: the mail is tried again soon. */
export async function markFailed (db: Db, { userId }: Mail): Promise<void> {
  await db.query(deferredSql, [userId, longestPauseMs])
}

/** This mail is refused for now: it is tried again after a pause that grows, behind those that are due before. */
export async function markDeferred (db: Db, { userId }: Mail): Promise<void> {
  await db.query(deferredSql, [userId, longestDeferralMs])
}

export async function markDeadLettered (db: Db, { userId }: Mail): Promise<void> {
  await db.query(deadLetteredSql, [userId])
}
