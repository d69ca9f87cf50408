import { readFileSync } from 'node:fs'

// What Linux tells of another process; elsewhere there are no such figures.

/** @param {number} pid @returns {number} CPU time in microseconds, NaN where it is not told */
export function cpuUsOf (pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) * 10_000
  } catch {
    return NaN
  }
}

/** @param {number} pid @param {'VmHWM' | 'VmRSS'} which peak, or now */
export function memoryMbOf (pid, which = 'VmHWM') {
  try {
    return Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`${which}:\\s+(\\d+)`))?.[1]) / 1024
  } catch {
    return NaN
  }
}
