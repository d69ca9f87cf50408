import { faultOf } from '../database/faults.js'
import { backoffMs, wait } from '../waiting/wait.js'

const attemptsForUnknown = 5
const unknownCapMs = 1000
const dependencyCapMs = 5000

export type Outcome<Result> =
  | { ok: true, result: Result }
  | { ok: false, reason: 'refused' | 'failed', error: unknown, attempts: number }

/**
 * Runs a task until it succeeds or another attempt makes no sense.
 *
 * - what the database will always refuse: no second attempt, `refused`
 * - a database that is away or busy: retried for ever, since the task is not to blame
 * - anything else: 5 attempts, then `failed`
 *
 * @param onHold called before each wait for a dependency
 * @throws the signal's reason when it is aborted between attempts
 */
export async function retry<Result> (task: () => Promise<Result>, { signal, onHold }: {
  signal: AbortSignal
  onHold: (error: unknown) => void
}): Promise<Outcome<Result>> {
  let unknown = 0
  for (let attempts = 1; ; attempts++) {
    signal.throwIfAborted()
    try {
      return { ok: true, result: await task() }
    } catch (error) {
      const fault = faultOf(error)
      if (fault === 'message') return { ok: false, reason: 'refused', error, attempts }
      if (fault === 'unknown' && ++unknown === attemptsForUnknown) return { ok: false, reason: 'failed', error, attempts }
      if (fault === 'dependency') onHold(error)
      await wait(backoffMs(attempts, fault === 'dependency' ? dependencyCapMs : unknownCapMs), signal)
    }
  }
}
