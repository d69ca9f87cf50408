/** Limits the number of concurrent tasks; the others wait in the order of the calls. */
export class Semaphore {
  readonly #limit: () => number
  readonly #waiting: Array<() => void> = []
  #taken = 0

  /** @param limit returns the current limit; called whenever a task starts or ends */
  constructor (limit: () => number) {
    this.#limit = limit
  }

  async run<Result> (task: () => Promise<Result>): Promise<Result> {
    if (this.#taken < this.#limit()) this.#taken += 1
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      return await task()
    } finally {
      this.#taken -= 1
      this.#wake()
    }
  }

  #wake (): void {
    while (this.#taken < this.#limit()) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#taken += 1
      next()
    }
  }
}
