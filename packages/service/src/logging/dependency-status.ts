import type { FastifyBaseLogger } from 'fastify'

const quietMs = 10_000

/** Logs the state of a dependency: each change immediately, repeated failures at most once in 10 s. */
export class DependencyStatus {
  readonly #log: FastifyBaseLogger
  readonly #what: string
  #since: number | undefined
  #loggedAt = -Infinity
  #failures = 0

  /** @param what the dependency's name in the log: "the broker" */
  constructor (log: FastifyBaseLogger, what: string) {
    this.#log = log
    this.#what = what
  }

  get isAway (): boolean {
    return this.#since !== undefined
  }

  /** @param state the problem as written in the log */
  failed (err?: unknown, details: object = {}, state = 'away'): void {
    const now = performance.now()
    this.#since ??= now
    this.#failures += 1
    if (now - this.#loggedAt < quietMs) return
    this.#loggedAt = now
    this.#log.warn({ ...details, err, failures: this.#failures, forMs: Math.round(now - this.#since) }, `${this.#what}: ${state}, trying again`)
  }

  recovered (details: object = {}): void {
    if (this.#since === undefined) return
    this.#log.info({ ...details, failures: this.#failures, forMs: Math.round(performance.now() - this.#since) }, `${this.#what}: back`)
    this.#since = undefined
    this.#loggedAt = -Infinity
    this.#failures = 0
  }
}
