import { readFileSync } from 'node:fs'

// Figures of another process from Linux's /proc; other systems have none.

/** CPU time in microseconds, NaN where it is unknown. */
export function cpuUsOf (pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) * 10_000
  } catch {
    return NaN
  }
}

/** Peak resident memory in MB. */
export function memoryMbOf (pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmHWM:\s+(\d+)/)?.[1]) / 1024
  } catch {
    return NaN
  }
}
