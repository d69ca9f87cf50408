import { cpuUsOf, memoryMbOf } from './processes.js'
import { inProcess, type Figures } from './rounds.js'

export const connections = 100
const warmUpS = 2

/** Registrations over 100 connections for a time, and the server's CPU time for each. */
export async function register ({ url, pid }: { url: string, pid: number }, seconds: number): Promise<Figures> {
  await inProcess('./load-worker.js', { url, connections, seconds: warmUpS })
  const before = cpuUsOf(pid)
  const { good, bad, ...figures } = await inProcess<Figures & { good: number, bad: number }>('./load-worker.js', { url, connections, seconds })
  if (bad > 0 || good === 0) return { void: `${bad} requests failed` }
  return { ...figures, cpuUs: (cpuUsOf(pid) - before) / good, rssMb: memoryMbOf(pid) }
}
