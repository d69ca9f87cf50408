/** Waits for facts that other code brings about. */
export class Condition {
  readonly #checks = new Set<() => void>()
  #isDue = false

  /** To be called whenever the fact may have changed. Checks once in a turn of the event loop. */
  changed (): void {
    if (this.#isDue || this.#checks.size === 0) return
    this.#isDue = true
    setImmediate(() => {
      this.#isDue = false
      this.check()
    })
  }

  /** Checks synchronously. */
  check (): void {
    for (const check of this.#checks) check()
  }

  /** Resolves when the fact is true, at the latest after `limitMs`. */
  async until (isTrue: () => boolean, limitMs: number): Promise<void> {
    if (isTrue()) return
    await new Promise<void>(resolve => {
      const end = () => {
        clearTimeout(timer)
        this.#checks.delete(check)
        resolve()
      }
      const check = () => { if (isTrue()) end() }
      const timer = setTimeout(end, limitMs)
      this.#checks.add(check)
    })
  }
}
