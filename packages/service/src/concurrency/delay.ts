import { setMaxListeners } from 'node:events'

/** Resolves after `ms` milliseconds; rejects with the reason of the signal when that is aborted before. */
export function delay (ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    // A thousand messages may wait at once. Each takes its listener away, so Node need not warn of a leak.
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
 * How long to wait after the n-th failure in a row: 100 ms, doubled each time, at most `capMs`, of which a random half
 * is left out so that those who failed together do not come back together.
 */
export function backoffMs (failures: number, capMs: number, random = Math.random): number {
  return Math.min(100 * 2 ** (failures - 1), capMs) * (0.5 + random() / 2)
}
