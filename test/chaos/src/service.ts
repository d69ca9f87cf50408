import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { entryOf, startLogged, type Service } from '@pair/dev'

interface InstanceOptions {
  /** Of the instance, and of its log. */
  readonly name: string
  readonly service: 'user' | 'profile'
  readonly settings: Record<string, string>
  /** For the log. */
  readonly folder: string
  readonly onLine: (line: Record<string, unknown>) => void
  readonly onViolation: (violation: string) => void
}

/**
 * A place for one instance of a service: the process in it dies and is started again. What is asked of it is done one
 * after the other.
 */
export class Instance {
  /** Where it answers; nothing while it is down. */
  url: string | undefined
  #running: Service | undefined
  #last: Promise<unknown> = Promise.resolve()
  #isAskedToEnd = false
  readonly #options: InstanceOptions

  constructor (options: InstanceOptions) {
    this.#options = options
  }

  get name () { return this.#options.name }

  /** Resolves when it listens, or has ended before; does nothing where it listens already. */
  start () { return this.#next(async () => await this.#start()) }

  end (signal: NodeJS.Signals) { return this.#next(async () => await this.#end(signal)) }

  /** Ends it, and starts it again after a while. */
  bounce (signal: NodeJS.Signals, downMs: number) {
    return this.#next(async () => {
      await this.#end(signal)
      await delay(downMs)
      await this.#start()
    })
  }

  /** Starts it for a while. */
  visit (signal: NodeJS.Signals, stayMs: number) {
    return this.#next(async () => {
      await this.#start()
      await delay(stayMs)
      await this.#end(signal)
    })
  }

  #next (task: () => Promise<void>): Promise<void> {
    const done = this.#last.then(task)
    this.#last = done.catch(() => {})
    return done
  }

  async #start () {
    if (this.#running) return
    const { name, service, settings, folder, onLine, onViolation } = this.#options
    const log = createWriteStream(join(folder, `${name}.log`), { flags: 'a' })
    const running = startLogged(entryOf(service), settings, {
      onLog (text, line) {
        log.write(`${text}\n`)
        if (line) onLine(line)
      },
      onError (text) {
        log.write(`${text}\n`)
        onViolation(`${name} wrote to stderr: ${text}`)
      }
    })
    this.#running = running
    this.#isAskedToEnd = false
    running.ended.then(how => {
      log.end()
      this.#running = this.url = undefined
      if (!this.#isAskedToEnd) onViolation(`${name} ended by itself with ${how}`)
    })
    this.url = await running.listening.catch(error => {
      onViolation(error.message)
      return undefined
    })
  }

  async #end (signal: NodeJS.Signals) {
    if (!this.#running) return
    this.#isAskedToEnd = true
    this.url = undefined
    this.#running.kill(signal)
    const how = await this.#running.ended
    // The service itself ends by force, with 1, after its grace time.
    if (signal === 'SIGTERM' && how !== 0) this.#options.onViolation(`${this.name} ended with ${how} on SIGTERM`)
  }
}
