import { Semaphore } from '../concurrency/semaphore.js'
import { faultOf, isOfStatement, sqlState } from './faults.js'
import { aloneAtOnce, maxBatch } from '../limits.js'

interface Call<Item, Result> {
  item: Item
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

/** How long items may wait for their turn alone, in ms: a database that is slow with all of them is no item's doing. */
const aloneWithinMs = 500

/**
 * Makes one statement of many calls: those of one turn of the event loop, and those that come while the last statement
 * runs. One round trip and one commit then serve them all, and the busier the service is, the larger the groups.
 *
 * It costs nobody more than a moment when one of a group fails, or waits for a lock: all of them are then stored alone, each
 * with an outcome of its own, and an item that failed alone is not put into a group again.
 */
export class Batcher<Item extends object, Result> {
  readonly #statement: (items: Item[]) => Promise<Result[]>
  readonly #largest: number
  readonly #slots: Semaphore
  readonly #failed = new WeakSet<Item>()
  #waiting: Array<Call<Item, Result>> = []
  #isRunning = false

  /**
   * @param statement does it for all of them or for none, and tells what became of each
   * @param largest how many at once
   * @param slots of items that are stored alone
   */
  constructor (statement: (items: Item[]) => Promise<Result[]>, largest = maxBatch, slots = new Semaphore(() => aloneAtOnce)) {
    this.#statement = statement
    this.#largest = largest
    this.#slots = slots
  }

  /** Resolves with what became of this item; rejects with what failed. */
  async run (item: Item): Promise<Result> {
    if (this.#failed.has(item)) return await this.#alone(item)
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      if (this.#isRunning) return
      this.#isRunning = true
      setImmediate(() => { this.#runAll() })
    })
  }

  // One statement at a time: two might wait for each other's rows.
  async #runAll (): Promise<void> {
    while (this.#waiting.length > 0) await this.#runGroup(this.#waiting.splice(0, this.#largest))
    this.#isRunning = false
  }

  async #runGroup (calls: Array<Call<Item, Result>>): Promise<void> {
    try {
      const results = await this.#statement(calls.map(({ item }) => item))
      calls.forEach(({ resolve }, index) => resolve(results[index] as Result))
    } catch (error) {
      if (!mayBeOfOneItem(error)) {
        // Away for one is away for all: those who wait would only hear of it later.
        for (const { reject } of [...calls, ...this.#waiting.splice(0)]) reject(error)
        return
      }
      const until = performance.now() + aloneWithinMs
      // Never for a refusal: that is one item's, and not to be told to another.
      const check = () => { if (faultOf(error) === 'transient' && performance.now() > until) throw error }
      // Not waited for: the next group goes on beside them.
      for (const { item, resolve, reject } of calls) this.#alone(item, check).then(resolve, reject)
    }
  }

  async #alone (item: Item, check = () => {}): Promise<Result> {
    return await this.#slots.run(async () => {
      check()
      try {
        const [result] = await this.#statement([item])
        return result as Result
      } catch (error) {
        if (mayBeOfOneItem(error)) this.#failed.add(item)
        throw error
      }
    })
  }
}

/** A database that is away fails all alike. A deadlock, a lock, a row policy or a statement that took too long may be one row's doing. */
function mayBeOfOneItem (error: unknown): boolean {
  return faultOf(error) !== 'transient' || (isOfStatement(error) && /^(23502|40|42|55|57014|XX)/.test(sqlState(error) ?? ''))
}
