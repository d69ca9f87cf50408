import { resolve } from 'node:path'
import { startAnnounced } from '@pair/kafka/announced-process'
import { SUPERUSER } from './data-folder.js'

/** An embedded PostgreSQL server: loopback only, a new port at every start. */
export interface Postgres {
  /** Of a database that exists. */
  url (database: string): string
  readonly adminUrl: string
  /** Where the data is: in the folder asked for, or as root, where the server's user cannot enter that one, elsewhere. */
  readonly folder: string
  /** The server's own process. */
  readonly pid: number
  /** Settles when the server has ended, whoever ended it, with an exit code or the name of a signal. */
  readonly ended: Promise<number | string>
  /** Disconnects whoever is connected and ends the server; what was committed is on disk. */
  close (): Promise<void>
}

/** What the process that looks after the server says once it is ready. */
export interface Announcement { port: number, pid: number, password: string, folder: string }

/**
 * Starts PostgreSQL on a data folder, which is created and filled where necessary, and which nobody else can use as long.
 * The server ends with this process, however this one dies.
 *
 * @param options.dataDir default: a temporary folder, removed at the end
 * @param options.databases are created where they are missing, at every start
 * @throws with one line when the server cannot be started
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
