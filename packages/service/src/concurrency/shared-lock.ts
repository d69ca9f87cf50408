interface Waiting { isExclusive: boolean, start: () => void }

/** A readers-writer lock: shared tasks run concurrently, an exclusive task runs alone. Tasks start in the order of the calls. */
export class SharedLock {
  #shared = 0
  #isExclusive = false
  #waiting: Waiting[] = []

  async shared<Result> (task: () => Promise<Result>): Promise<Result> {
    if (this.#isExclusive || this.#waiting.length > 0) await this.#turn(false)
    else this.#shared += 1
    try {
      return await task()
    } finally {
      this.#shared -= 1
      this.#wake()
    }
  }

  /** @param patienceMs the task starts after this time although shared tasks are still running */
  async exclusive<Result> (task: () => Promise<Result>, patienceMs: number): Promise<Result> {
    if (this.#isExclusive || this.#shared > 0 || this.#waiting.length > 0) await this.#turn(true, patienceMs)
    else this.#isExclusive = true
    try {
      return await task()
    } finally {
      this.#isExclusive = false
      this.#wake()
    }
  }

  async #turn (isExclusive: boolean, patienceMs?: number): Promise<void> {
    const timers: NodeJS.Timeout[] = []
    const isHead = (waiting: Waiting) => this.#waiting[0] === waiting && !this.#isExclusive
    await new Promise<void>(resolve => {
      const waiting = { isExclusive, start: resolve }
      this.#waiting.push(waiting)
      if (patienceMs === undefined) return
      // Starts only at the head of the queue, and never while another exclusive task runs.
      timers.push(setInterval(() => { if (isHead(waiting)) this.#start() }, patienceMs))
    })
    for (const timer of timers) clearInterval(timer)
  }

  #wake (): void {
    for (let [next] = this.#waiting; next && !this.#isExclusive && (!next.isExclusive || this.#shared === 0); [next] = this.#waiting) this.#start()
  }

  #start (): void {
    const next = this.#waiting.shift()
    if (next === undefined) return
    if (next.isExclusive) this.#isExclusive = true
    else this.#shared += 1
    next.start()
  }
}
