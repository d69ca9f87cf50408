import { fork } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const startLimitMs = 60_000

/**
 * A place for one instance of a service: the process in it dies and is started again. What is asked of it is done one
 * after the other.
 */
export class Instance {
  /** Where it answers; nothing while it is down. */
  url = /** @type {string | undefined} */ (undefined)
  #child = /** @type {import('node:child_process').ChildProcess | undefined} */ (undefined)
  #last = /** @type {Promise<unknown>} */ (Promise.resolve())
  #isAskedToEnd = false
  #options

  /**
   * @param {object} options
   * @param {string} options.name of the instance, and of its log
   * @param {'user' | 'profile'} options.service
   * @param {Record<string, string>} options.settings
   * @param {string} options.folder for the log
   * @param {(line: Record<string, unknown>) => void} options.onLine
   * @param {(violation: string) => void} options.onViolation
   */
  constructor (options) {
    this.#options = options
  }

  get name () { return this.#options.name }

  /** Resolves when it listens; does nothing where it does already. */
  start () { return this.#next(async () => await this.#start()) }

  /** @param {NodeJS.Signals} signal */
  end (signal) { return this.#next(async () => await this.#end(signal)) }

  /**
   * Ends it, and starts it again after a while.
   *
   * @param {NodeJS.Signals} signal
   * @param {number} downMs
   */
  bounce (signal, downMs) {
    return this.#next(async () => {
      await this.#end(signal)
      await delay(downMs)
      await this.#start()
    })
  }

  /**
   * Starts it for a while.
   *
   * @param {NodeJS.Signals} signal
   * @param {number} stayMs
   */
  visit (signal, stayMs) {
    return this.#next(async () => {
      await this.#start()
      await delay(stayMs)
      await this.#end(signal)
    })
  }

  /** @param {() => Promise<void>} task */
  #next (task) {
    const done = this.#last.then(task)
    this.#last = done.catch(() => {})
    return done
  }

  async #start () {
    if (this.#child) return
    const { name, service, settings, folder, onLine, onViolation } = this.#options
    // Loaded first, it ends the service with this process, however this one dies.
    const endWithParent = new URL('../../local/dist/end-with-parent.js', import.meta.url).href
    const child = fork(fileURLToPath(new URL(`../../microservices/${service}/dist/server.js`, import.meta.url)), {
      env: { PATH: process.env['PATH'], PORT: '0', ...settings },
      execArgv: ['--import', endWithParent],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc']
    })
    this.#child = child
    this.#isAskedToEnd = false
    const log = createWriteStream(join(folder, `${name}.log`), { flags: 'a' })
    if (child.stderr) {
      createInterface(child.stderr).on('line', text => {
        log.write(`${text}\n`)
        onViolation(`${name} wrote to stderr: ${text}`)
      })
    }
    child.once('exit', (code, signal) => {
      this.#child = this.url = undefined
      if (!this.#isAskedToEnd) onViolation(`${name} ended by itself with ${signal ?? code}`)
    })
    await new Promise((resolve, reject) => {
      const timer = setTimeout(reject, startLimitMs, new Error(`${name} does not listen after ${startLimitMs / 1000} s`))
      child.once('close', () => { clearTimeout(timer); log.end(); resolve(undefined) })
      if (child.stdout) {
        createInterface(child.stdout).on('line', text => {
          log.write(`${text}\n`)
          if (!text.startsWith('{')) return
          const line = JSON.parse(text)
          onLine(line)
          const url = /^Server listening at (\S+)$/.exec(line.msg)?.[1]
          if (!url) return
          this.url = url
          clearTimeout(timer)
          resolve(undefined)
        })
      }
    })
  }

  /** @param {NodeJS.Signals} signal */
  async #end (signal) {
    const child = this.#child
    if (!child) return
    this.#isAskedToEnd = true
    this.url = undefined
    const ended = new Promise(resolve => child.once('close', (code, by) => resolve(by ?? code)))
    child.kill(signal)
    const how = await ended
    // The service itself ends by force, with 1, after its grace time.
    if (signal === 'SIGTERM' && how !== 0) this.#options.onViolation(`${this.name} ended with ${how} on SIGTERM`)
  }
}
