import { fork, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fromRepository } from './system.js'

const LISTEN_LIMIT_MS = 120_000

/** A service in a process of its own. */
export interface Service {
  readonly pid: number
  /** Resolves with the exit code or the signal's name when the process has ended and its output has been read. */
  readonly ended: Promise<number | string>
  kill (signal: NodeJS.Signals): void
}

export interface LoggedService extends Service {
  /** Resolves with the service's base URL when it listens; rejects with one line if it ends before, or after 120 s. */
  readonly listening: Promise<string>
}

/** Receives each line that a service writes. */
export interface OutputReader {
  /** @param line undefined if the text is not complete JSON: a kill may truncate the last line */
  onLog (text: string, line: Record<string, unknown> | undefined): void
  onError (text: string): void
}

/**
 * Starts a service's entry file. It shuts down when this process ends for any reason: a preloaded module (end-with-parent.ts)
 * watches the IPC channel, so the service needs no code for it.
 *
 * @param env the complete environment
 * @param options.log destination of its standard output: this terminal, or an open file
 * @param options.execArgv further options of node
 */
export function startService (entry: string, env: NodeJS.ProcessEnv, { log = 'inherit', execArgv = [] }: { log?: 'inherit' | number, execArgv?: string[] } = {}): Service {
  return serviceOf(forkService(entry, env, [log, 'inherit'], execArgv))
}

/**
 * Starts a service on a free port, and reads its output.
 *
 * @param settings the environment, in addition to PATH
 */
export function startLogged (entry: string, settings: NodeJS.ProcessEnv, { onLog, onError }: OutputReader): LoggedService {
  const child = forkService(entry, { PATH: process.env['PATH'], PORT: '0', ...settings }, ['pipe', 'pipe'])
  const service = serviceOf(child)
  const errors: string[] = []
  read(child.stderr, text => { errors.push(text); onError(text) })
  let timer: NodeJS.Timeout | undefined
  const listening = new Promise<string>((resolve, reject) => {
    const fail = (how: string) => reject(new Error(`${fromRepository(entry)} ${how}: ${errors.join(' ')}`))
    timer = setTimeout(fail, LISTEN_LIMIT_MS, `does not listen after ${LISTEN_LIMIT_MS / 1000} s`)
    read(child.stdout, text => {
      const line = parse(text)
      onLog(text, line)
      const url = /^Server listening at (\S+)$/.exec(String(line?.['msg']))?.[1]
      if (url) resolve(url)
    })
    service.ended.then(code => fail(`ended with ${code} before it listened`))
  })
  return { ...service, listening: listening.finally(() => clearTimeout(timer)) }
}

function forkService (entry: string, env: NodeJS.ProcessEnv, output: Array<'inherit' | 'pipe' | number>, execArgv: string[] = []): ChildProcess {
  return fork(entry, {
    // A session of its own: a terminal sends Ctrl-C to all foreground processes, but the launcher must stop services in order.
    detached: true,
    execArgv: ['--import', new URL('./end-with-parent.js', import.meta.url).href, ...execArgv],
    env,
    stdio: ['ignore', ...output, 'ipc']
  })
}

function serviceOf (child: ChildProcess): Service {
  const ended = new Promise<number | string>(resolve => {
    child.once('close', (code, signal) => resolve(signal ?? code ?? 0))
  })
  return { pid: Number(child.pid), ended, kill: signal => { child.kill(signal) } }
}

function read (stream: Readable | null, onLine: (text: string) => void) {
  if (stream) createInterface(stream).on('line', onLine)
}

function parse (text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Whether /health/ready or /health/consuming of a service answers 200. */
export async function isHealthy (url: string, about: 'ready' | 'consuming' = 'ready'): Promise<boolean> {
  const answer = await fetch(`${url}/health/${about}`, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined)
  await answer?.body?.cancel()
  return answer?.status === 200
}
