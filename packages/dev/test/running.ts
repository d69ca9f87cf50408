import { execFileSync, spawn } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished, vi } from 'vitest'

export const repository = fileURLToPath(new URL('../../..', import.meta.url))

/** A process under test, with its output and its exit. */
export interface Running {
  readonly pid: number
  readonly output: () => string
  /** Its exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | string>
  kill (signal: NodeJS.Signals): void
  /** Resolves with the match of the pattern's first group when the output contains it. */
  said (pattern: RegExp): Promise<string>
}

/** Starts `node <args>`, or another command; it is stopped at the end of the test. */
export function run (args: string[], options: { command?: string, env?: NodeJS.ProcessEnv, cwd?: string } = {}): Running {
  const child = spawn(options.command ?? process.execPath, args, {
    cwd: options.cwd ?? repository,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => { output += text })
  let over = false
  const ended = new Promise<number | string>(resolve => child.once('exit', (code, signal) => {
    over = true
    resolve(signal ?? code ?? 0)
  }))
  onTestFinished(async () => {
    const left = processTree(child.pid ?? 0)
    child.kill('SIGTERM')
    await ended
    await gone(left)
  }, 120_000)
  const said = (pattern: RegExp) => vi.waitFor(() => {
    const match = pattern.exec(output)
    if (!match && over) throw new Error(`it ended and had said: ${output}`)
    if (!match) throw new Error(`not said: ${pattern}, but: ${output}`)
    return match[1] ?? match[0]
  }, { timeout: 180_000, interval: 20 })
  return { pid: child.pid ?? 0, output: () => output, ended, kill: signal => { child.kill(signal) }, said }
}

/** The ids of a process and all its descendants. */
export function processTree (pid: number): number[] {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')
  const pairs = rows.map(row => row.trim().split(/\s+/).map(Number))
  const tree = [pid]
  for (const parent of tree) tree.push(...pairs.filter(([, ppid]) => ppid === parent).map(([child]) => child ?? 0))
  return tree
}

/** Waits until none of the processes exists. */
export async function gone (pids: number[]): Promise<void> {
  await vi.waitFor(() => {
    const left = pids.filter(isAlive)
    if (left.length > 0) throw new Error(`still there: ${execFileSync('ps', ['-o', 'pid,args', '-p', left.join(',')], { encoding: 'utf8' })}`)
  }, { timeout: 120_000, interval: 50 })
}

/** A folder for one test that other users can enter: as root, the database server runs as another user. */
export async function temporary (): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'local-'))
  await chmod(folder, 0o755)
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

function isAlive (pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
