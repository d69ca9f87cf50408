import { startAnnounced } from './announced-process.js'

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

/** What the process says once it listens. */
export interface Announcement { brokers: string }

/**
 * Starts librdkafka's mock cluster in a process of its own, which ends with this one however this one dies: it watches
 * the channel between the two.
 *
 * @throws when the process ends or fails before it announced its address
 */
export async function startBroker (): Promise<Broker> {
  const { child, announced, ended } = await startAnnounced<Announcement>('the embedded broker', new URL('./broker-process.js', import.meta.url))
  const close = async () => {
    // There is nothing to save, and this ends a stopped process (SIGSTOP), too.
    child.kill('SIGKILL')
    await ended
  }
  return { brokers: announced.brokers, pid: Number(child.pid), ended, close }
}
