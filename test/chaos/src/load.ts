import { setTimeout as delay } from 'node:timers/promises'

const answerLimitMs = 10_000
const mostAtOnce = 50

/** What the faults have taken away at this moment, so that the load knows what its figures mean. */
export class World {
  isBrokerAway = false
  isUserDatabaseAway = false
}

interface LoadOptions { urlOf: () => string | undefined, domain: string, perSecond: number, world: World }

/** Registrations at a bounded rate, each of a user of its own, and what became of them. */
export class Load {
  /** Users whose registration was answered with 201, by their id. */
  readonly registered = new Set<string>()
  sent = 0
  /** Answered with 503: not registered, or perhaps it is. */
  refused = 0
  /** Longest answer, in ms, of a registration that was wholly within a time without a broker and had its database. */
  longestWithoutBrokerMs = 0
  /** Answers that no fault explains. */
  readonly violations: string[] = []
  readonly #options: LoadOptions
  #isStopped = false
  readonly #underWay = new Set<Promise<void>>()

  constructor (options: LoadOptions) {
    this.#options = options
  }

  async run () {
    while (!this.#isStopped) {
      await delay(1000 / this.#options.perSecond)
      const url = this.#options.urlOf()
      if (url === undefined || this.#underWay.size >= mostAtOnce) continue
      const number = this.sent++
      const registration = this.#register(url, number).catch(error => {
        // A service that dies breaks the connection: it may or may not be there. No fault keeps a living one from answering.
        if (error.name === 'TimeoutError') this.violations.push(`user-${number} had no answer after ${answerLimitMs / 1000} s`)
      })
      this.#underWay.add(registration)
      registration.finally(() => this.#underWay.delete(registration))
    }
    await Promise.all(this.#underWay)
  }

  stop () { this.#isStopped = true }

  async #register (url: string, number: number) {
    const { domain, world } = this.#options
    const started = performance.now()
    const wasBrokerAway = world.isBrokerAway
    const user = { email: `${number}@${domain}`, username: `user-${number}-${domain.split('-')[0]}` }
    const answer = await fetch(`${url}/user/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(user),
      signal: AbortSignal.timeout(answerLimitMs)
    })
    const body = await answer.json() as { user?: { id: string } }
    if (answer.status === 201 && body.user) {
      this.registered.add(body.user.id)
      if (!wasBrokerAway || !world.isBrokerAway || world.isUserDatabaseAway) return
      this.longestWithoutBrokerMs = Math.max(this.longestWithoutBrokerMs, performance.now() - started)
    } else if (answer.status === 503) {
      this.refused++
    } else {
      this.violations.push(`user-${number} was answered ${answer.status}`)
    }
  }
}
