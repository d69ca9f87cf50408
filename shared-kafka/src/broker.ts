import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** An embedded broker: real protocol on loopback, memory only, a new port at every start. */
export interface Broker {
  /** `host:port`, for `metadata.broker.list`. */
  readonly brokers: string
  readonly pid: number
  /** Settles when the process has ended, whoever ended it, with its exit code or the name of its signal. */
  readonly ended: Promise<number | string>
  /** Ends the process, and with it everything that was on the broker. */
  close (): Promise<void>
}

/** What the process says once: where it listens, or why it does not. */
export type Announcement = { brokers: string } | { error: string }

/**
 * Starts librdkafka's mock cluster in a process of its own, which ends with this one however this one dies: it watches
 * the channel between the two.
 *
 * @throws when the process ends or fails before it announced its address
 */
export async function startBroker (): Promise<Broker> {
  const child = fork(fileURLToPath(new URL('./broker-process.js', import.meta.url)), {
    // A session of its own: a terminal's Ctrl-C goes to everything in the foreground at once, and the broker has to stay
    // until its clients have drained.
    detached: true,
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc']
  })
  const ended = new Promise<number | string>(resolve => {
    child.once('exit', (code, signal) => resolve(signal ?? code ?? 0))
  })
  const close = async () => {
    // There is nothing to save, and this ends a stopped process (SIGSTOP), too.
    child.kill('SIGKILL')
    await ended
  }
  const announced = await Promise.race([announcement(child), ended])
  if (typeof announced !== 'object') throw new Error(`the embedded broker ended with ${announced} before it was ready`)
  if ('error' in announced || child.pid === undefined) {
    await close()
    throw new Error(`the embedded broker did not start: ${'error' in announced ? announced.error : 'no process'}`)
  }
  return { brokers: announced.brokers, pid: child.pid, ended, close }
}

function announcement (child: ChildProcess): Promise<Announcement> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('message', message => resolve(message as Announcement))
  })
}
