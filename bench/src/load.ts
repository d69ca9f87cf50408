/**
 * Starts tasks at a steady rate, independent of their results, and waits for the last one.
 *
 * @returns the rate at which they were started, a second
 */
export async function steadily (perSecond: number, total: number, task: (number: number) => Promise<void>): Promise<number> {
  const underWay: Array<Promise<void>> = []
  const started = performance.now()
  await new Promise<void>(resolve => {
    const timer = setInterval(() => {
      const due = Math.min(total, (performance.now() - started) / 1000 * perSecond)
      while (underWay.length < due) underWay.push(task(underWay.length))
      if (underWay.length < total) return
      clearInterval(timer)
      resolve()
    }, 1)
  })
  const rate = total / (performance.now() - started) * 1000
  await Promise.all(underWay)
  return rate
}

/** Percentiles of times in ms; sorts the times in place. */
export function percentiles (tookMs: number[]) {
  tookMs.sort((one, other) => one - other)
  const at = (share: number) => Number(tookMs[Math.floor(tookMs.length * share)])
  return { p50Ms: at(0.5), p99Ms: at(0.99) }
}
