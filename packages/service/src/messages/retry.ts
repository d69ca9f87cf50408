import { backoffMs, delay } from '../concurrency/delay.js'
import { faultOf } from '../database/faults.js'

/** What a handler says of its attempts. */
export interface RetryPolicy {
  /** After how many attempts an event is dead-lettered whose failures say nothing of their cause. 5 unless told otherwise. */
  attempts?: number
  /** The longest wait between two attempts, in ms. 1000 unless told otherwise, and 5000 where a dependency is waited for. */
  maxDelayMs?: number
}

const attemptsForUnknown = 5
const unknownCapMs = 1000
const transientCapMs = 5000

export type Attempted<Result> =
  | { ok: true, result: Result }
  | { ok: false, reason: 'refused' | 'failed', error: unknown, attempts: number }

/** @throws Error for a policy that cannot be kept */
export function checkPolicy ({ attempts = 1, maxDelayMs = 0 }: RetryPolicy): void {
  if (!Number.isInteger(attempts) || attempts < 1) throw new Error(`retry.attempts must be a whole number from 1 on, not ${attempts}`)
  if (!(maxDelayMs >= 0 && maxDelayMs < 2 ** 31)) throw new Error(`retry.maxDelayMs must be a number of ms from 0 on, not ${maxDelayMs}`)
}

/**
 * Runs a task until it succeeds or another attempt makes no sense.
 *
 * - permanent (what the database will always refuse, or a handler has called so): no second attempt, `refused`
 * - transient (a dependency is away, busy, or not as this version needs it): retried without an end, since the task is not to blame
 * - anything else: as many attempts as the policy has, then `failed`
 *
 * @param onTransient called before each wait for a dependency
 * @throws the signal's reason when it is aborted between attempts
 */
export async function retry<Result> (task: () => Promise<Result>, { signal, onTransient, policy = {} }: {
  signal: AbortSignal
  onTransient: (error: unknown) => void
  policy?: RetryPolicy
}): Promise<Attempted<Result>> {
  let unknown = 0
  for (let attempts = 1; ; attempts++) {
    signal.throwIfAborted()
    try {
      return { ok: true, result: await task() }
    } catch (error) {
      const fault = faultOf(error)
      if (fault === 'permanent') return { ok: false, reason: 'refused', error, attempts }
      signal.throwIfAborted() // it may have failed for that reason alone
      if (fault === 'unknown' && ++unknown === (policy.attempts ?? attemptsForUnknown)) return { ok: false, reason: 'failed', error, attempts }
      if (fault === 'transient') onTransient(error)
      await delay(backoffMs(attempts, policy.maxDelayMs ?? (fault === 'transient' ? transientCapMs : unknownCapMs)), signal)
    }
  }
}
