import type { Failure } from '@pair/kafka/announced-process'
import { mkdir, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { endOrphan, initialise } from './data-folder.js'
import { createMissing } from './databases.js'
import { holdFolder } from './folder-lock.js'
import { serverBinaries } from './binaries.js'
import { ServerPrograms } from './programs.js'
import type { Announcement } from './server.js'
import { reachableFolder, reachableServer, serverUser, temporaryFolder } from './server-user.js'

// Supervises one PostgreSQL server, and stops it when the IPC channel to the parent process closes, that is, however the parent
// ends.

let stopping = false
let temporary: string | undefined
let programs: ServerPrograms | undefined

process.on('disconnect', stop)
process.on('SIGTERM', stop)
// Ctrl-C reaches this process too; the parent decides when it ends.
process.on('SIGINT', () => {})
if (!process.connected) process.exit(0)

try {
  const [databases = '', dataDir] = process.argv.slice(2)
  announce(await start(databases.split(',').filter(Boolean), dataDir))
} catch (error) {
  if (!stopping) announce({ error: error instanceof Error ? error.message : String(error) })
  await end(1)
}

async function start (databases: string[], dataDir: string | undefined): Promise<Announcement> {
  const asked = dataDir && await mkdir(dataDir, { recursive: true }).then(() => realpath(dataDir))
  let user = await serverUser(join(asked ?? '', 'postgres'))
  const folder = asked ? await reachableFolder(asked, user) : temporary = await temporaryFolder(user)
  if (asked && !await holdFolder(folder)) throw new Error(`the data folder ${asked} is in use by another process`)

  const cluster = join(folder, 'postgres')
  const data = join(cluster, 'data')
  user = await serverUser(cluster)
  const { native, version } = serverBinaries()
  programs = new ServerPrograms(join(await reachableServer(native, version, user), 'bin'), user)
  await endOrphan(data)
  const password = await initialise(cluster, user, programs)
  const { port, pid, ended } = await programs.serve(data, temporary === undefined)
  // If the server ends unexpectedly, so does this process, and the launcher reports it.
  ended.then(code => { if (!stopping) return end(code || 1) })
  await createMissing(databases, { port, password })
  return { port, pid, password, folder: cluster }
}

async function stop () {
  if (stopping) return
  stopping = true
  await end(0)
}

async function end (code: number) {
  stopping = true
  await programs?.end()
  if (temporary) await rm(temporary, { recursive: true, force: true })
  process.exit(code)
}

function announce (message: Announcement | Failure) {
  if (process.connected) process.send?.(message)
}
