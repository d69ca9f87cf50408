import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface AnnouncedProcess<Announcement> {
  readonly child: ChildProcess
  readonly announced: Announcement
  /** Resolves when the process has ended, with its exit code or the name of its signal. */
  readonly ended: Promise<number | string>
}

/** Message of a process whose task failed. */
export interface Failure { error: string }

/**
 * Runs a server or a task in a child process and waits for its one message: the server's address or the task's result. The child
 * watches the IPC channel and exits when this process ends, also by SIGKILL.
 *
 * @param name for error messages, such as "the embedded broker"
 * @param signal kills the process
 * @throws Error with one line when the process ends before its message, or its task failed; an AbortError when `signal` is aborted
 */
export async function startAnnounced<Announcement extends object> (name: string, script: URL, args: string[] = [], signal?: AbortSignal): Promise<AnnouncedProcess<Announcement>> {
  const child = fork(fileURLToPath(script), args, {
    // Its own session: Ctrl-C in a terminal signals the whole foreground group, and a server must outlive its clients.
    detached: true,
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    ...signal && { signal, killSignal: 'SIGKILL' }
  })
  const ended = new Promise<number | string>(resolve => {
    child.once('exit', (code, signal) => resolve(signal ?? code ?? 0))
  })
  const message = new Promise<Announcement | Failure>((resolve, reject) => {
    child.once('error', reject)
    child.once('message', said => resolve(said as Announcement | Failure))
  })
  const announced = await Promise.race([message, ended])
  if (typeof announced !== 'object') throw new Error(`${name} ended with ${announced} before it was ready`)
  if ('error' in announced) {
    if (child.connected) child.disconnect()
    await ended
    throw new Error(announced.error)
  }
  return { child, announced, ended }
}

/** The child's side: sends the task's result, or the reason of its failure. Exits when the parent does. */
export async function announce (task: () => Promise<object>): Promise<void> {
  process.on('disconnect', () => process.exit(0))
  // The parent may have ended before the listener was added.
  if (!process.connected) process.exit(0)
  // The parent decides when this process ends.
  process.on('SIGINT', () => {})
  process.send?.(await task().catch((error): Failure => ({ error: error instanceof Error ? error.message : String(error) })))
}
