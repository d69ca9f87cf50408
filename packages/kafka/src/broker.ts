import { startAnnounced } from './announced-process.js'

/** An embedded broker: the real protocol on loopback, in memory only, on a new port at every start. */
export interface Broker {
  /** `host:port`, for `metadata.broker.list`. */
  readonly brokers: string
  readonly pid: number
  /** Resolves when the process has ended for any reason, with its exit code or the name of its signal. */
  readonly ended: Promise<number | string>
  /** Kills the process; its topics and records are lost. */
  close (): Promise<void>
}

/** Message of the process once it listens. */
export interface Announcement { brokers: string }

/**
 * Starts librdkafka's mock cluster in a child process, which exits when this process ends, also by SIGKILL.
 *
 * @throws Error when the process ends or fails before it has announced its address
 */
export async function startBroker (): Promise<Broker> {
  const { child, announced, ended } = await startAnnounced<Announcement>('the embedded broker', new URL('./broker-process.js', import.meta.url))
  const close = async () => {
    // SIGKILL, because it ends a process stopped by SIGSTOP too, and there is no state to save.
    child.kill('SIGKILL')
    await ended
  }
  return { brokers: announced.brokers, pid: Number(child.pid), ended, close }
}
