/** Lets somebody wait for a fact that others bring about. */
export class Progress {
  readonly #checks = new Set<() => void>()

  /** To be called whenever the fact may have come true. */
  made (): void {
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
