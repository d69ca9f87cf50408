const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * A time that an operator has written, in ms since 1970: an age (`90s`, `15m`, `2h`, `7d`), a date (from its beginning in UTC), or
 * a date with a time and a zone (`2026-11-21T13:30Z`). Undefined for anything else: without a zone, operators in two places would
 * mean different times.
 */
export function readTime (text: string, nowMs: number): number | undefined {
  const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (unit !== undefined) return nowMs - Number(number) * unitMs[unit as keyof typeof unitMs]
  const [, date] = /^(\d{4}-\d\d-\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/.exec(text) ?? []
  const ms = Date.parse(text)
  // Date.parse takes February 30 for a day in March.
  return date === undefined || Number.isNaN(ms) || !isDay(date) ? undefined : ms
}

function isDay (date: string): boolean {
  const day = new Date(date)
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(date)
}
