import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface AnnouncedProcess<Announcement> {
  readonly child: ChildProcess
  readonly announced: Announcement
  /** Settles when the process has ended, with its exit code or the name of its signal. */
  readonly ended: Promise<number | string>
}

/** What a process says whose task failed. */
export interface Failure { error: string }

/**
 * Runs a server or a task in a process of its own, and waits for the one message that says where it listens, or what came of
 * it. The process watches the channel between the two, and ends with this one, however this one dies.
 *
 * @param name for errors: "the embedded broker"
 * @param signal ends the process
 * @throws with one line when the process ends before its message, or says that it failed; an AbortError when the signal comes
 */
export async function startAnnounced<Announcement extends object> (name: string, script: URL, args: string[] = [], signal?: AbortSignal): Promise<AnnouncedProcess<Announcement>> {
  const child = fork(fileURLToPath(script), args, {
    // A session of its own: a terminal's Ctrl-C goes to the whole foreground group, and a server must outlive its clients.
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

/** The other side: says what the task returns, or why it failed. Ends this process with the one that started it. */
export async function announce (task: () => Promise<object>): Promise<void> {
  process.on('disconnect', () => process.exit(0))
  // The channel may be closed already.
  if (!process.connected) process.exit(0)
  // The one who started it decides when it ends.
  process.on('SIGINT', () => {})
  process.send?.(await task().catch((error): Failure => ({ error: error instanceof Error ? error.message : String(error) })))
}
