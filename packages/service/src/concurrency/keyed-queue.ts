/** Runs tasks of one key one at a time, in the order of the calls, and tasks of different keys concurrently. */
export class KeyedQueue {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Whether a task of this key would have to wait. */
  has (key: string): boolean {
    return this.#last.has(key)
  }

  /** @returns the result of the task; a failed task does not stop the next one of its key */
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
