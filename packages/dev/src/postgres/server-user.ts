import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, chown, cp, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

/** Who runs the server: nothing to change for an ordinary user, another user's ids as root, which PostgreSQL refuses. */
export interface ServerUser { uid?: number, gid?: number }

/** Where root keeps what the server's user cannot reach under a home of root's: stable, unlike the temporary folder. */
const STATE = '/var/lib/fastify-kafka-pair'

/**
 * As root: the owner of a cluster that exists, so that it stays usable; else `postgres`, else `nobody`. No user is created:
 * a start in a development folder has no business in the machine's user database.
 */
export async function serverUser (cluster: string): Promise<ServerUser> {
  if (process.getuid?.() !== 0) return {}
  const owner = await stat(cluster).catch(() => undefined)
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map(flag => spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout?.trim())
    if (uid && gid) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new Error('PostgreSQL does not run as root, and there is neither a user "postgres" nor "nobody" to run it as')
}

/** The folder itself, or where the server's user cannot enter it, one of its own outside, found again by the folder's name. */
export async function reachableFolder (folder: string, user: ServerUser): Promise<string> {
  if (canEnter(folder, user)) return folder
  return await ownFolder(createHash('sha256').update(folder).digest('hex').slice(0, 16))
}

/** A new folder that the server's user can enter, for a cluster that nobody wants to keep. */
export async function temporaryFolder (user: ServerUser): Promise<string> {
  const parent = canEnter(tmpdir(), user) ? tmpdir() : '/var/tmp'
  const folder = await mkdtemp(join(parent, 'postgres-'))
  await give(folder, user)
  return folder
}

/** The server's installation, or where its user cannot enter it (a clone in a home of mode 0700), a copy of it. */
export async function reachableServer (native: string, version: string, user: ServerUser): Promise<string> {
  if (canEnter(join(native, 'bin', 'postgres'), user)) return native
  const copy = await ownFolder(`server-${version}`)
  const whole = join(copy, basename(native))
  if (canEnter(join(whole, 'bin', 'postgres'), user)) return whole
  const partial = await mkdtemp(join(copy, 'partial-'))
  await cp(native, partial, { recursive: true, verbatimSymlinks: true })
  const changed = spawnSync('chmod', ['-R', 'a+rX', partial])
  if (changed.status !== 0) throw new Error(`cannot make ${partial} readable: ${changed.stderr}`)
  await rm(whole, { recursive: true, force: true })
  await rename(partial, whole)
  return whole
}

/** Hands a folder to the server's user. */
export async function give (folder: string, { uid, gid }: ServerUser): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(folder, uid, gid)
}

async function ownFolder (name: string): Promise<string> {
  const folder = join(STATE, name)
  await mkdir(folder, { recursive: true })
  // Whatever the umask says.
  for (const path of [STATE, folder]) await chmod(path, 0o755)
  return folder
}

/** Asked of the system itself, as that user: modes, groups and access lists of every parent count. */
function canEnter (path: string, user: ServerUser): boolean {
  return user.uid === undefined || spawnSync('test', ['-x', path], { ...user, cwd: '/' }).status === 0
}
