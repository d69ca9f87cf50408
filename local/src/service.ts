import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A service in a process of its own. */
export interface Service {
  readonly name: string
  readonly pid: number | undefined
  /** Where it answers, without a path. */
  readonly url: string
  /** Settles when it has ended, with its exit code or the name of a signal. */
  readonly ended: Promise<number | string>
  /** Asks it to drain and end. */
  stop (): void
  /** Ends it at once. */
  kill (): void
}

/**
 * Starts a service's entry file on loopback, writing to this terminal. It drains and ends when this process ends, however
 * it does: a module loaded ahead of the service watches the channel between the two, and the service knows nothing of it.
 */
export function startService (name: string, entry: URL, port: number, settings: Record<string, string>): Service {
  const child: ChildProcess = fork(fileURLToPath(entry), {
    // A session of its own, because a terminal's Ctrl-C goes to everything in the foreground: the launcher gives the order.
    detached: true,
    execArgv: ['--import', new URL('./end-with-parent.js', import.meta.url).href],
    env: { ...process.env, HOST: '127.0.0.1', PORT: String(port), ...settings },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  const ended = new Promise<number | string>(resolve => {
    child.once('exit', (code, signal) => resolve(signal ?? code ?? 0))
  })
  return {
    name,
    pid: child.pid,
    url: `http://localhost:${port}`,
    ended,
    stop: () => { child.kill('SIGTERM') },
    kill: () => { child.kill('SIGKILL') }
  }
}

/** Whether the service says that it is ready. */
export async function isReady (service: Service): Promise<boolean> {
  const answer = await fetch(`${service.url.replace('localhost', '127.0.0.1')}/health/ready`, { signal: AbortSignal.timeout(2_000) })
    .catch(() => undefined)
  await answer?.body?.cancel()
  return answer?.status === 200
}
