/** Lets somebody wait for a fact that others bring about. */
export class Condition {
  readonly #checks = new Set<() => void>()
  #isDue = false

  /** To be called whenever the fact may have come true. It is looked at once a turn of the event loop. */
  made (): void {
    if (this.#isDue || this.#checks.size === 0) return
    this.#isDue = true
    setImmediate(() => {
      this.#isDue = false
      this.check()
    })
  }

  /** Looks at once. */
  check (): void {
    for (const check of this.#checks) check()
  }

  /** Resolves when it is so, at the latest after `limitMs`. */
  async until (isSo: () => boolean, limitMs: number): Promise<void> {
    if (isSo()) return
    await new Promise<void>(resolve => {
      const end = () => {
        clearTimeout(timer)
        this.#checks.delete(check)
        resolve()
      }
      const check = () => { if (isSo()) end() }
      const timer = setTimeout(end, limitMs)
      this.#checks.add(check)
    })
  }
}
