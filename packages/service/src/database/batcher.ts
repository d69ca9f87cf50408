import { Semaphore } from '../concurrency/semaphore.js'
import { faultOf, isOfStatement, sqlState } from './faults.js'
import { individualConcurrency, maxBatch } from '../limits.js'

interface Call<Item, Result> {
  item: Item
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

/** How long items may wait to be stored individually after a transient failure, in ms. After that the failure is the database's, not one item's. */
const individualWithinMs = 500

/**
 * Combines calls into one statement: the calls of one turn of the event loop, and those made while the previous statement
 * runs. A batch costs one round trip and one commit, and batches grow with the load.
 *
 * If a batch fails or waits for a lock because of one item, its items are stored individually, each with its own outcome. An
 * item that failed individually is never put into a batch again.
 */
export class Batcher<Item extends object, Result> {
  readonly #statement: (items: Item[]) => Promise<Result[]>
  readonly #largest: number
  readonly #individual: Semaphore
  readonly #failed = new WeakSet<Item>()
  #waiting: Array<Call<Item, Result>> = []
  #isRunning = false

  /**
   * @param statement stores all items or none, and returns a result for each, in their order
   * @param largest maximum number of items in a batch
   * @param individual limits how many items are stored individually at the same time
   */
  constructor (statement: (items: Item[]) => Promise<Result[]>, largest = maxBatch, individual = new Semaphore(() => individualConcurrency)) {
    this.#statement = statement
    this.#largest = largest
    this.#individual = individual
  }

  /** Resolves with the result for this item; rejects with the error of its statement. */
  async run (item: Item): Promise<Result> {
    if (this.#failed.has(item)) return await this.#runIndividually(item)
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      if (this.#isRunning) return
      this.#isRunning = true
      setImmediate(() => { this.#runAll() })
    })
  }

  // One batch at a time: two concurrent batches could deadlock on each other's rows.
  async #runAll (): Promise<void> {
    while (this.#waiting.length > 0) await this.#runBatch(this.#waiting.splice(0, this.#largest))
    this.#isRunning = false
  }

  async #runBatch (calls: Array<Call<Item, Result>>): Promise<void> {
    try {
      const results = await this.#statement(calls.map(({ item }) => item))
      calls.forEach(({ resolve }, index) => resolve(results[index] as Result))
    } catch (error) {
      if (!mayBeOfOneItem(error)) {
        // The database is unreachable: fail the whole batch and all waiting calls immediately.
        for (const { reject } of [...calls, ...this.#waiting.splice(0)]) reject(error)
        return
      }
      const until = performance.now() + individualWithinMs
      // Not for a permanent failure, which concerns one item and must not fail the others.
      const check = () => { if (faultOf(error) === 'transient' && performance.now() > until) throw error }
      // Not awaited: the next batch runs concurrently.
      for (const { item, resolve, reject } of calls) this.#runIndividually(item, check).then(resolve, reject)
    }
  }

  async #runIndividually (item: Item, check = () => {}): Promise<Result> {
    return await this.#individual.run(async () => {
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

/** Whether the failure may concern a single item: a deadlock, a lock, a row policy, a statement timeout. An unreachable database fails every item. */
function mayBeOfOneItem (error: unknown): boolean {
  return faultOf(error) !== 'transient' || (isOfStatement(error) && /^(23502|40|42|55|57014|XX)/.test(sqlState(error) ?? ''))
}
