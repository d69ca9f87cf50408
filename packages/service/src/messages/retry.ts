import { backoffMs, delay } from '../concurrency/delay.js'
import { faultOf } from '../database/faults.js'

/** A consumer's retry policy. */
export interface RetryPolicy {
  /** Attempts before an event is dead-lettered whose errors are neither permanent nor transient. Default 5. */
  attempts?: number
  /** The longest wait between two attempts, in ms. Default 1000, and 5000 after a transient error. */
  maxDelayMs?: number
}

const attemptsForUnknown = 5
const unknownCapMs = 1000
const transientCapMs = 5000
export type Attempted<Result> =
  | { ok: true, result: Result }
  | { ok: false, reason: 'refused' | 'failed', error: unknown, attempts: number }

/** @throws Error for an invalid policy */
export function checkPolicy ({ attempts = 1, maxDelayMs = 0 }: RetryPolicy): void {
  if (!Number.isInteger(attempts) || attempts < 1) throw new Error(`retry.attempts must be an integer of at least 1, not ${attempts}`)
  if (!(maxDelayMs >= 0 && maxDelayMs < 2 ** 31)) throw new Error(`retry.maxDelayMs must be a number of milliseconds of at least 0, not ${maxDelayMs}`)
}

/**
 * Runs a task until it succeeds or must not be retried.
 *
 * - permanent error (the database will always refuse it, or a handler declared it so): no retry, `refused`
 * - transient error (a dependency is unreachable, busy, or lacks what this version needs): retried without limit
 * - any other error: retried up to the policy's `attempts`, then `failed`
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
      signal.throwIfAborted() // the task may have failed because of the abort
      if (fault === 'unknown' && ++unknown === (policy.attempts ?? attemptsForUnknown)) return { ok: false, reason: 'failed', error, attempts }
      if (fault === 'transient') onTransient(error)
      await delay(backoffMs(attempts, policy.maxDelayMs ?? (fault === 'transient' ? transientCapMs : unknownCapMs)), signal)
    }
  }
}
