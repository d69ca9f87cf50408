import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { startBroker } from '@pair/kafka'
import { startPostgres } from './postgres/server.js'
import { EMBEDDED_BROKER_SETTINGS } from './embedded-broker.js'
import { isTaken } from './ports.js'
import { isHealthy, startService, type Service } from './service.js'
import { readSettings } from './settings.js'
import { fromRepository, readSystem, type ServiceFolder, type System } from './system.js'

// npm start [system]: everything on one machine, a broker and a PostgreSQL server where none is given, and all services of
// the system (default: the pair). Ended in the opposite order, so that the services can drain.

/** Then what still runs is ended by force. */
const SHUTDOWN_MS = 15_000
/** Services that an earlier launcher left (kill -9) give their ports up within this time. */
const PORT_PATIENCE_MS = 3_000
const POLL_MS = 100
const HINT_MS = 20_000

interface Part { readonly ended: Promise<number | string>, close (): Promise<void> }

const services: Array<Service & { name: string, url: string }> = []
const starting: Array<Promise<Part>> = []
const ending = new AbortController()

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => { if (ending.signal.aborted) byForce('a second signal'); else stop(0) })
}

try {
  const system = readSystem(process.argv[2])
  await start(system)
} catch (error) {
  await stop(1, error instanceof Error ? error.message : String(error))
}

async function start (system: System) {
  const { ports, kafka, databases: given, dataDir } = readSettings(system, process.env)
  for (const { folder, entry } of system.services) {
    if (!existsSync(entry)) throw new Error(`${fromRepository(folder)} is not built: is it among the "references" of tsconfig.json?`)
  }
  for (const { name, portVariable } of system.services) await free(portVariable, Number(ports.get(name)))
  const databases = system.services.flatMap(({ database }) => database ?? [])
  const embeds = { broker: !kafka, postgres: !given && databases.length > 0 }
  console.log(`Starting the services${embeds.broker ? ', a broker' : ''}${embeds.postgres ? ', PostgreSQL' : ''} …`)
  const broker = embeds.broker ? part('the embedded broker', startBroker()) : undefined
  const postgres = embeds.postgres ? part('the embedded PostgreSQL', startPostgres({ dataDir, databases })) : undefined
  await Promise.all(starting)
  const address = (await broker)?.brokers
  // A Kafka that is given is in the environment, which the services inherit.
  const ofBroker = address === undefined ? {} : { KAFKA_BROKERS: address, ...EMBEDDED_BROKER_SETTINGS }
  const server = await postgres
  if (ending.signal.aborted) return
  for (const one of system.services) {
    const url = one.database && (given?.get(one.name) ?? server?.url(one.database))
    service(one, Number(ports.get(one.name)), { ...ofBroker, ...url && { DATABASE_URL: url } })
  }
  if (!await ready()) return
  const where = [address && `broker ${address} (in memory only)`, server && `PostgreSQL's data in ${server.folder}`]
  say(system, ports, where.filter(Boolean).join(', '))
}

async function free (setting: string, port: number) {
  for (const deadline = performance.now() + PORT_PATIENCE_MS; await isTaken(port); await delay(POLL_MS)) {
    if (performance.now() > deadline) throw new Error(`port ${port} is taken: end what listens on it, or set ${setting}`)
  }
}

function part<Kind extends Part> (name: string, started: Promise<Kind>): Promise<Kind> {
  starting.push(started)
  started.then(({ ended }) => ended).then(code => ended(name, code), () => {})
  return started
}

function service ({ name, entry }: ServiceFolder, port: number, settings: Record<string, string>) {
  const own = { HOST: '127.0.0.1', PORT: String(port), ...settings }
  // What is said here is said twice otherwise, which a service refuses.
  const inherited = Object.entries(process.env).filter(([name]) => !(name.replace(/_FILE$/, '') in own))
  const service = { ...startService(entry, { ...Object.fromEntries(inherited), ...own }), name: `the ${name} service`, url: `http://127.0.0.1:${port}` }
  services.push(service)
  service.ended.then(code => ended(service.name, code))
}

async function ready (): Promise<boolean> {
  const hint = setTimeout(() => console.log(`Still waiting for ${services.map(({ url }) => `${url}/health/ready`).join(' and ')}`), HINT_MS)
  let all = false
  while (!all && !ending.signal.aborted) {
    await delay(POLL_MS)
    all = (await Promise.all(services.map(({ url }) => isHealthy(url)))).every(Boolean)
  }
  clearTimeout(hint)
  return all && !ending.signal.aborted
}

function say ({ services, ready }: System, ports: ReadonlyMap<string, number>, embedded: string) {
  const text = ready.replace(/\{([\w-]+)\}/g, (whole, name) => String(ports.get(name) ?? whole))
  console.log(`
Ready.${embedded && ` Embedded: ${embedded}.`}${text && ` ${text}`}

Pages: ${services.map(({ name }) => `http://localhost:${ports.get(name)} (${name})`).join(', ')}
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
  for (const { kill } of services) kill('SIGTERM')
  for (const { name, ended } of services) {
    const exit = await ended
    // SIGTERM was ours, and came before the service had begun with anything.
    if (exit === 0 || exit === 'SIGTERM' || code !== 0) continue
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
  for (const { kill } of services) kill('SIGKILL')
  process.exit(1)
}
