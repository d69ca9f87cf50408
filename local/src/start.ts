import { setTimeout as delay } from 'node:timers/promises'
import { startBroker } from 'shared-kafka'
import { startPostgres } from './cluster.js'
import { isTaken } from './ports.js'
import { isReady, startService, type Service } from './service.js'
import { readSettings, type LauncherSettings } from './settings.js'

// Everything on one machine: a broker and a PostgreSQL server where none is given, and both services. Ended in the opposite
// order, so that the services can drain.

/** Then what still runs is ended by force. */
const SHUTDOWN_MS = 15_000
/** Services that an earlier launcher left (kill -9) give their ports up within this time. */
const PORT_PATIENCE_MS = 3_000
const POLL_MS = 100
const HINT_MS = 20_000

/** What a session of librdkafka's mock cluster may be at least: a member that rejoins waits for as long, less a second. */
const EMBEDDED_SESSION = { KAFKA_SESSION_TIMEOUT_MS: '3000' }

interface Part { readonly ended: Promise<number | string>, close (): Promise<void> }

const services: Service[] = []
const starting: Array<Promise<Part>> = []
const ending = new AbortController()

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => { if (ending.signal.aborted) byForce('a second signal'); else stop(0) })
}

try {
  await start(readSettings(process.env))
} catch (error) {
  await stop(1, error instanceof Error ? error.message : String(error))
}

async function start ({ userPort, profilePort, brokers, databases, dataDir }: LauncherSettings) {
  await free('USER_PORT', userPort)
  await free('PROFILE_PORT', profilePort)
  console.log(`Starting the services${brokers ? '' : ', a broker'}${databases ? '' : ', PostgreSQL'} …`)
  const broker = brokers ? undefined : part('the embedded broker', startBroker())
  const postgres = databases ? undefined : part('the embedded PostgreSQL', startPostgres({ dataDir }))
  await Promise.all(starting)
  const kafka = { KAFKA_BROKERS: brokers ?? (await broker)?.brokers ?? '', ...(broker && EMBEDDED_SESSION) }
  const url = databases ?? {
    user: (await postgres)?.url('user_service') ?? '',
    profile: (await postgres)?.url('profile_service') ?? ''
  }
  if (ending.signal.aborted) return
  service('user', userPort, { ...kafka, DATABASE_URL: url.user })
  service('profile', profilePort, { ...kafka, DATABASE_URL: url.profile })
  if (!await ready()) return
  const where = [broker && `broker ${kafka.KAFKA_BROKERS} (in memory only)`, postgres && `PostgreSQL's data in ${(await postgres).folder}`]
  say(userPort, profilePort, where.filter(Boolean).join(', '))
}

async function free (setting: string, port: number) {
  for (const deadline = Date.now() + PORT_PATIENCE_MS; await isTaken(port); await delay(POLL_MS)) {
    if (Date.now() > deadline) throw new Error(`port ${port} is taken: end what listens on it, or set ${setting}`)
  }
}

function part<Kind extends Part> (name: string, started: Promise<Kind>): Promise<Kind> {
  starting.push(started)
  started.then(({ ended }) => ended).then(code => ended(name, code), () => {})
  return started
}

function service (name: string, port: number, settings: Record<string, string>) {
  const entry = new URL(`../../microservices/${name}/dist/server.js`, import.meta.url)
  const service = startService(`the ${name} service`, entry, port, settings)
  services.push(service)
  service.ended.then(code => ended(service.name, code))
}

async function ready (): Promise<boolean> {
  const hint = setTimeout(() => console.log(`Still waiting for ${services.map(({ url }) => `${url}/health/ready`).join(' and ')}`), HINT_MS)
  let all = false
  while (!all && !ending.signal.aborted) {
    await delay(POLL_MS)
    all = (await Promise.all(services.map(isReady))).every(Boolean)
  }
  clearTimeout(hint)
  return all && !ending.signal.aborted
}

function say (userPort: number, profilePort: number, embedded: string) {
  console.log(`
Ready.${embedded && ` Embedded: ${embedded}.`} Register a user, and read the profile that the other service made of it:

  curl -X POST localhost:${userPort}/user/register -H 'content-type: application/json' -d '{"email":"user@example.com","username":"imbatman"}'
  curl localhost:${profilePort}/profile/<id>

Ctrl-C ends everything.
`)
}

function ended (name: string, code: number | string) {
  if (!ending.signal.aborted) stop(1, `${name} ended by itself (${typeof code === 'number' ? `exit code ${code}` : code}), so the rest ends too`)
}

async function stop (code: number, reason?: string) {
  if (ending.signal.aborted) return
  ending.abort()
  if (reason) console.error(reason)
  setTimeout(() => byForce(`${SHUTDOWN_MS / 1000} s`), SHUTDOWN_MS)
  for (const { stop } of services) stop()
  for (const { name, ended } of services) {
    const exit = await ended
    if (exit === 0 || code !== 0) continue
    code = 1
    console.error(`${name} did not end well (${typeof exit === 'number' ? `exit code ${exit}` : exit})`)
  }
  const parts = await Promise.allSettled(starting)
  await Promise.all(parts.map(part => part.status === 'fulfilled' && part.value.close()))
  process.exit(code)
}

/** The broker and PostgreSQL watch this process and end with it. */
function byForce (reason: string) {
  console.error(`Ending by force after ${reason}`)
  for (const { kill } of services) kill()
  process.exit(1)
}
