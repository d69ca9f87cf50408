import { randomBytes } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ServerPrograms } from './programs.js'
import { give, type ServerUser } from './server-user.js'

/** The superuser of every cluster. */
export const SUPERUSER = 'postgres'

/**
 * Creates the cluster if it does not exist. An interruption leaves no incomplete cluster, because the folder is renamed when
 * it is complete.
 *
 * @returns the superuser's password
 */
export async function initialise (cluster: string, user: ServerUser, programs: ServerPrograms): Promise<string> {
  if (!existsSync(cluster)) {
    const partial = `${cluster}.partial`
    const data = join(partial, 'data')
    await rm(partial, { recursive: true, force: true })
    await mkdir(partial, { recursive: true, mode: 0o700 })
    await writeFile(join(partial, 'password'), randomBytes(16).toString('hex'), { mode: 0o600 })
    for (const path of [partial, join(partial, 'password')]) await give(path, user)
    await programs.run('initdb', [
      `--pgdata=${data}`, `--username=${SUPERUSER}`, `--pwfile=${join(partial, 'password')}`, '--auth=scram-sha-256',
      // The server's builtin UTF-8 locale: the same sorting and case folding on every machine, without an installed locale.
      '--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-sync'
    ])
    await rename(partial, cluster)
  }
  return await readFile(join(cluster, 'password'), 'utf8')
}

/**
 * Stops a server that still runs on this data folder. Call it only while holding the folder's lock: the server is then an
 * orphan, whose launcher and supervising process were killed.
 */
export async function endOrphan (data: string): Promise<void> {
  const file = join(data, 'postmaster.pid')
  const pid = Number((await readFile(file, 'utf8').catch(() => '')).split('\n')[0])
  if (!pid || !isAlive(pid)) return
  if (!isServerOf(pid, data)) {
    // After a reboot another process may have this id, and the server would refuse to start.
    await rm(file, { force: true })
    return
  }
  // SIGINT: fast shutdown. SIGQUIT: immediate shutdown, with recovery at the next start.
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    if (isAlive(pid)) process.kill(pid, signal)
    for (const deadline = performance.now() + 8_000; isAlive(pid) && performance.now() < deadline;) await delay(50)
  }
}

function isAlive (pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function isServerOf (pid: number, data: string): boolean {
  try {
    return commandLine(pid).includes(` -D ${data} `)
  } catch {
    return false
  }
}

function commandLine (pid: number): string {
  if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  return execFileSync('ps', ['-ww', '-o', 'args=', '-p', String(pid)], { encoding: 'utf8' })
}
