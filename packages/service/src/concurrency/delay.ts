import { setMaxListeners } from 'node:events'

/** Resolves after `ms` milliseconds; rejects with the signal's reason if it is aborted first. */
export function delay (ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    // Disables Node's leak warning: a thousand messages may wait concurrently, and each removes its listener.
    if (signal !== undefined) setMaxListeners(0, signal)
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    function onAbort () {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/**
 * Delay in ms after the n-th failure in a row: 100 ms, doubled each time, at most `capMs`, multiplied by a random factor
 * between 0.5 and 1 (jitter), so that callers that failed together do not retry together.
 */
export function backoffMs (failures: number, capMs: number, random = Math.random): number {
  return Math.min(100 * 2 ** (failures - 1), capMs) * (0.5 + random() / 2)
}
