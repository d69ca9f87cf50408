import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { startBroker } from '@pair/kafka'
import { startPostgres } from './postgres/server.js'
import { EMBEDDED_BROKER_SETTINGS } from './embedded-broker.js'
import { ManagedService, SHUTDOWN_MS } from './managed-service.js'
import { isTaken } from './ports.js'
import { readyMessage } from './ready-message.js'
import { isHealthy } from './service.js'
import { readSettings } from './settings.js'
import { fromRepository, type ServiceFolder, type System } from './system.js'

/** Services that an earlier launcher left running (kill -9) release their ports within this time, in ms. */
const PORT_TIMEOUT_MS = 3_000
const POLL_MS = 100
const HINT_MS = 20_000

interface Part { readonly ended: Promise<number | string>, close (): Promise<void> }

export interface LauncherOptions {
  /** Further options of node for a service. */
  execArgv?: (service: string) => string[]
  /** Whether the system keeps running when a service exits; a restart then starts that service again. */
  keepsRunning?: boolean
  /** A further line of the message that all services are ready. */
  hint?: string
}

/**
 * Runs a system on one machine: all its services, and an embedded broker and PostgreSQL server unless the settings name others.
 * It stops them in reverse order, so that the services can finish their work.
 */
export class Launcher {
  readonly #system: System
  readonly #options: LauncherOptions
  readonly #services: ManagedService[] = []
  readonly #starting: Array<Promise<Part>> = []
  readonly #stopping = new AbortController()
  /** Called before the services are stopped. */
  onEnd = (): void => {}

  constructor (system: System, options: LauncherOptions = {}) {
    this.#system = system
    this.#options = options
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => { if (this.#stopping.signal.aborted) this.#kill('a second signal'); else this.stop(0) })
    }
  }

  /** Starts everything, and prints a message when it is ready. @throws Error with one line if it cannot start */
  async start (): Promise<void> {
    const { ports, kafka, databases: given, dataDir } = readSettings(this.#system, process.env)
    for (const { folder, entry } of this.#system.services) {
      if (!existsSync(entry)) throw new Error(`${fromRepository(folder)} is not built: is it among the "references" of tsconfig.json?`)
    }
    for (const { name, portVariable } of this.#system.services) await this.#waitForPort(portVariable, Number(ports.get(name)))
    const databases = this.#system.services.flatMap(({ database }) => database ?? [])
    const embeds = { broker: !kafka, postgres: !given && databases.length > 0 }
    console.log(`Starting the services${embeds.broker ? ', a broker' : ''}${embeds.postgres ? ', PostgreSQL' : ''} …`)
    const broker = embeds.broker ? this.#addPart('the embedded broker', startBroker()) : undefined
    const postgres = embeds.postgres ? this.#addPart('the embedded PostgreSQL', startPostgres({ dataDir, databases })) : undefined
    await Promise.all(this.#starting)
    const address = (await broker)?.brokers
    // The settings of another Kafka are in this process's environment, which the services inherit.
    const brokerSettings = address === undefined ? {} : { KAFKA_BROKERS: address, ...EMBEDDED_BROKER_SETTINGS }
    const server = await postgres
    if (this.#stopping.signal.aborted) return
    for (const folder of this.#system.services) {
      const url = folder.database && (given?.get(folder.name) ?? server?.url(folder.database))
      this.#startService(folder, Number(ports.get(folder.name)), { ...brokerSettings, ...url && { DATABASE_URL: url } })
    }
    if (!await this.#areReady()) return
    const embedded = [address && `broker ${address} (in memory only)`, server && `PostgreSQL's data in ${server.folder}`].filter(text => text !== undefined)
    console.log(readyMessage(this.#system, ports, embedded, this.#options.hint))
  }

  /** Restarts a service, or starts it if it is not running. */
  restart (name: string): void {
    if (!this.#stopping.signal.aborted) this.#services.find(service => service.name === name)?.restart()
  }

  /** Stops everything, then ends this process. */
  async stop (code: number, reason?: string): Promise<void> {
    if (this.#stopping.signal.aborted) return
    this.#stopping.abort()
    if (reason) console.error(reason)
    this.onEnd()
    setTimeout(() => this.#kill(`${SHUTDOWN_MS / 1000} s`), SHUTDOWN_MS)
    const exits = this.#services.map(service => ({ name: service.name, exited: service.stop() }))
    for (const { name, exited } of exits) {
      const exit = await exited
      // SIGTERM: the signal sent here came before the service had a listener for it.
      if (exit === undefined || exit === 0 || exit === 'SIGTERM' || code !== 0) continue
      code = 1
      console.error(`the ${name} service did not shut down cleanly (${textOf(exit)})`)
    }
    const parts = await Promise.allSettled(this.#starting)
    await Promise.all(parts.map(part => part.status === 'fulfilled' && part.value.close()))
    process.exit(code)
  }

  async #waitForPort (setting: string, port: number): Promise<void> {
    for (const deadline = performance.now() + PORT_TIMEOUT_MS; await isTaken(port); await delay(POLL_MS)) {
      if (performance.now() > deadline) throw new Error(`port ${port} is taken: end the process that listens on it, or set ${setting}`)
    }
  }

  #addPart<Kind extends Part> (name: string, started: Promise<Kind>): Promise<Kind> {
    this.#starting.push(started)
    started.then(({ ended }) => ended).then(exit => this.#stopAfterExit(name, exit), () => {})
    return started
  }

  #startService (folder: ServiceFolder, port: number, settings: Record<string, string>): void {
    const onExit = (exit: number | string) => {
      if (this.#options.keepsRunning !== true) this.#stopAfterExit(`the ${folder.name} service`, exit)
      else if (!this.#stopping.signal.aborted) console.error(`the ${folder.name} service exited unexpectedly (${textOf(exit)}): the next change starts it again`)
    }
    const service = new ManagedService(folder, { port, settings, execArgv: this.#options.execArgv?.(folder.name) ?? [], onExit })
    this.#services.push(service)
    service.start()
  }

  async #areReady (): Promise<boolean> {
    const hint = setTimeout(() => console.log(`Still waiting for ${this.#services.map(({ url }) => `${url}/health/ready`).join(' and ')}`), HINT_MS)
    let areReady = false
    while (!areReady && !this.#stopping.signal.aborted) {
      await delay(POLL_MS)
      areReady = (await Promise.all(this.#services.map(({ url }) => isHealthy(url)))).every(Boolean)
    }
    clearTimeout(hint)
    return areReady && !this.#stopping.signal.aborted
  }

  #stopAfterExit (name: string, exit: number | string): void {
    if (!this.#stopping.signal.aborted) this.stop(1, `${name} exited unexpectedly (${textOf(exit)}): stopping everything`)
  }

  /** Kills the services. The broker and PostgreSQL watch this process and end with it. */
  #kill (reason: string): void {
    console.error(`Forced shutdown after ${reason}`)
    for (const service of this.#services) service.kill()
    process.exit(1)
  }
}

const textOf = (exit: number | string) => typeof exit === 'number' ? `exit code ${exit}` : exit
