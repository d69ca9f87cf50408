/** Runs tasks of one key one after the other, in the order they came, and those of different keys side by side. */
export class KeyedQueue {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Whether a task of this key would have to wait. */
  has (key: string): boolean {
    return this.#last.has(key)
  }

  /** @returns what the task returns; a task that fails does not keep the next one of its key from running */
  run<Result> (key: string, task: () => Promise<Result>): Promise<Result> {
    const before = this.#last.get(key)
    const result = before === undefined ? task() : before.then(task, task)
    this.#last.set(key, result)
    const forget = () => {
      if (this.#last.get(key) === result) this.#last.delete(key)
    }
    result.then(forget, forget)
    return result
  }
}
