import { resolve } from 'node:path'
import { startAnnounced } from '@pair/kafka/announced-process'
import { SUPERUSER } from './data-folder.js'

/** An embedded PostgreSQL server: loopback only, a new port at every start. */
export interface Postgres {
  /** URL of a database, which must exist. */
  url (database: string): string
  readonly adminUrl: string
  /** The data folder: inside of `dataDir`, or, as root, elsewhere if the server's user cannot enter that. */
  readonly folder: string
  /** Process id of the server itself. */
  readonly pid: number
  /** Resolves with the exit code or the signal's name when the server has ended for any reason. */
  readonly ended: Promise<number | string>
  /** Disconnects all clients and stops the server; committed data is on disk. */
  close (): Promise<void>
}

/** The message of the supervising process when the server is ready. */
export interface Announcement { port: number, pid: number, password: string, folder: string }

/**
 * Starts PostgreSQL on a data folder, which is initialised if necessary and locked for this process. The server ends with this
 * process, however that dies.
 *
 * @param options.dataDir default: a temporary folder, removed at the end
 * @param options.databases created at each start if they do not exist
 * @throws Error with a message of one line if the server cannot be started
 */
export async function startPostgres ({ dataDir, databases = [] }: { dataDir?: string, databases?: readonly string[] } = {}): Promise<Postgres> {
  const script = new URL('./server-process.js', import.meta.url)
  const args = [databases.join(), ...dataDir ? [resolve(dataDir)] : []]
  const { child, announced, ended } = await startAnnounced<Announcement>('the embedded PostgreSQL', script, args)
  const close = async () => {
    if (child.connected) child.disconnect()
    await ended
  }
  const { port, pid, password, folder } = announced
  const url = (database: string) => `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`
  return { url, adminUrl: url('postgres'), folder, pid, ended, close }
}
