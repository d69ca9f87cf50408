import { startService, type Service } from './service.js'
import type { ServiceFolder } from './system.js'

/** A process that still runs this long after SIGTERM is killed, in ms. */
export const SHUTDOWN_MS = 15_000

export interface ManagedServiceOptions {
  port: number
  /** Settings that replace those of this process's environment. */
  settings: Record<string, string>
  /** Further options of node. */
  execArgv: string[]
  /** Called when the process has exited, unless a restart has asked for that. */
  onExit: (exit: number | string) => void
}

/** A service of the launcher, in a process that can be replaced. */
export class ManagedService {
  readonly name: string
  readonly url: string
  readonly #folder: ServiceFolder
  readonly #options: ManagedServiceOptions
  #process: Service | undefined
  #isRestarting = false

  constructor (folder: ServiceFolder, options: ManagedServiceOptions) {
    this.name = folder.name
    this.url = `http://127.0.0.1:${options.port}`
    this.#folder = folder
    this.#options = options
  }

  start (): void {
    const { execArgv, onExit } = this.#options
    const process = this.#process = startService(this.#folder.entry, this.#environment(), { execArgv })
    process.ended.then(exit => {
      this.#process = undefined
      if (!this.#isRestarting) return onExit(exit)
      this.#isRestarting = false
      this.start()
    })
  }

  /** Sends SIGTERM, after 15 s SIGKILL, and starts the service again when it has exited; starts it if it is not running. */
  restart (): void {
    if (this.#isRestarting) return
    console.log(`Starting the ${this.name} service again …`)
    const process = this.#process
    if (process === undefined) return this.start()
    this.#isRestarting = true
    process.kill('SIGTERM')
    const timer = setTimeout(() => process.kill('SIGKILL'), SHUTDOWN_MS)
    process.ended.then(() => clearTimeout(timer))
  }

  /** Sends SIGTERM, and cancels a restart. @returns the exit code or signal; undefined if the service is not running */
  async stop (): Promise<number | string | undefined> {
    this.#isRestarting = false
    this.#process?.kill('SIGTERM')
    return await this.#process?.ended
  }

  kill (): void {
    this.#process?.kill('SIGKILL')
  }

  #environment (): NodeJS.ProcessEnv {
    const { port, settings } = this.#options
    const own = { HOST: '127.0.0.1', PORT: String(port), ...settings }
    // Removes inherited settings, and their _FILE forms, that are set here: a service refuses a setting that is given twice.
    const inherited = Object.entries(process.env).filter(([name]) => !(name.replace(/_FILE$/, '') in own))
    return { ...Object.fromEntries(inherited), ...own }
  }
}
