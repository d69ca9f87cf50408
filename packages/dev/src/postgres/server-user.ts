import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, chown, cp, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

/** The user that runs the server: empty for an ordinary user; another user's ids if this process is root, as which PostgreSQL refuses to run. */
export interface ServerUser { uid?: number, gid?: number }

/** Folder for files that the server's user cannot reach in root's home. It persists, unlike the temporary folder. */
const STATE = '/var/lib/fastify-kafka-pair'

/**
 * As root: the owner of an existing cluster, so that it stays usable; else `postgres`, else `nobody`. No user is created,
 * because a development command must not change the machine's user database.
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

/** The folder itself; if the server's user cannot enter it, another folder under STATE, named by a hash of its path. */
export async function reachableFolder (folder: string, user: ServerUser): Promise<string> {
  if (canEnter(folder, user)) return folder
  return await ownFolder(createHash('sha256').update(folder).digest('hex').slice(0, 16))
}

/** A new folder that the server's user can enter, for a temporary cluster. */
export async function temporaryFolder (user: ServerUser): Promise<string> {
  const parent = canEnter(tmpdir(), user) ? tmpdir() : '/var/tmp'
  const folder = await mkdtemp(join(parent, 'postgres-'))
  await give(folder, user)
  return folder
}

/** The server's installation; if its user cannot enter it (a clone in a home of mode 0700), a copy of it. */
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

/** Makes the server's user the owner of a folder. */
export async function give (folder: string, { uid, gid }: ServerUser): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(folder, uid, gid)
}

async function ownFolder (name: string): Promise<string> {
  const folder = join(STATE, name)
  await mkdir(folder, { recursive: true })
  // chmod, because the mode of mkdir is reduced by the umask.
  for (const path of [STATE, folder]) await chmod(path, 0o755)
  return folder
}

/** Runs `test -x` as that user, so that modes, groups and access lists of every parent folder count. */
function canEnter (path: string, user: ServerUser): boolean {
  return user.uid === undefined || spawnSync('test', ['-x', path], { ...user, cwd: '/' }).status === 0
}
