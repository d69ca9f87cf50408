import { fork } from 'node:child_process'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SUPERUSER } from './cluster-files.js'

/** An embedded PostgreSQL server: loopback only, a new port at every start. */
export interface Postgres {
  /** Of a database that exists; `user_service` and `profile_service` always do. */
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

/** What the process that looks after the server says once. */
export type Announcement = { port: number, pid: number, password: string, folder: string } | { error: string }

/**
 * Starts PostgreSQL on a data folder, which is created and filled where necessary, and which nobody else can use as long.
 * The server ends with this process, however this one dies.
 *
 * @param options.dataDir default: a temporary folder, removed at the end
 * @throws with one line when the server cannot be started
 */
export async function startPostgres ({ dataDir }: { dataDir?: string } = {}): Promise<Postgres> {
  const child = fork(fileURLToPath(new URL('./cluster-process.js', import.meta.url)), dataDir ? [resolve(dataDir)] : [], {
    // A session of its own: a terminal's Ctrl-C goes to everything in the foreground at once, and the server has to stay
    // until the services have drained.
    detached: true,
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc']
  })
  const ended = new Promise<number | string>(resolve => {
    child.once('exit', (code, signal) => resolve(signal ?? code ?? 0))
  })
  const close = async () => {
    if (child.connected) child.disconnect()
    await ended
  }
  const announced = await Promise.race([
    new Promise<Announcement>(resolve => child.once('message', message => resolve(message as Announcement))),
    ended
  ])
  if (typeof announced !== 'object') throw new Error(`the embedded PostgreSQL ended with ${announced} before it was ready`)
  if ('error' in announced) {
    await close()
    throw new Error(announced.error)
  }
  const { port, pid, password, folder } = announced
  const url = (database: string) => `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`
  return { url, adminUrl: url('postgres'), folder, pid, ended, close }
}
