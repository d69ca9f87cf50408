import type { FastifyBaseLogger } from 'fastify'
import type { Event } from '@pair/events'
import type { Static, TSchema } from 'typebox'
import { Semaphore } from '../concurrency/semaphore.js'
import type { CrashGuard } from '../crash-guard/crash-guard.js'
import { Batcher } from '../database/batcher.js'
import { defaultConcurrency, individualConcurrency, maxBatch } from '../limits.js'
import type { Db } from '../database/transaction.js'
import type { Handled, HandlerOutcome, Inbox } from '../inbox/inbox.js'
import type { ConsumerOptions, Origin } from './consumer.js'
import type { Step } from './stepping.js'

/** An event in processing. All attempts share the object, by which the Batcher recognises an item that failed separately. */
export interface Item<Data> { event: Event<Data>, log: FastifyBaseLogger, origin: Origin }

interface HandlerOptions {
  /** Only in a service with a database. */
  inbox?: Inbox | undefined
  /** Only in a service with a database. */
  guard?: Pick<CrashGuard, 'shared'> | undefined
  log: FastifyBaseLogger
  signal: AbortSignal
}

/** Runs a consumer's handler, each attempt in a transaction of its own, which ends before the attempt does. */
export class Handler<Schema extends TSchema> {
  readonly #consumer: ConsumerOptions<Schema>
  readonly #options: HandlerOptions
  readonly #semaphore: Semaphore
  readonly #batcher: Batcher<Item<Static<Schema>>, Handled> | undefined

  constructor (consumer: ConsumerOptions<Schema>, options: HandlerOptions) {
    this.#consumer = consumer
    this.#options = options
    this.#semaphore = new Semaphore(() => consumer.handleBatch ? individualConcurrency : consumer.concurrency ?? defaultConcurrency)
    if (consumer.handleBatch) this.#batcher = new Batcher(async items => await this.#runShared(items), maxBatch, this.#semaphore)
  }

  /**
   * @param step given for a message that is stepped through, which is handled outside of batches
   * @throws the error of the handler or the database; the signal's reason if it is aborted before the handler runs
   */
  async attempt (item: Item<Static<Schema>>, step?: Step): Promise<Handled> {
    const { signal } = this.#options
    signal.throwIfAborted()
    if (this.#batcher && !step) return await this.#batcher.run(item)
    return await this.#semaphore.run(async () => {
      signal.throwIfAborted()
      let onStart = () => {}
      const started = new Promise<void>(resolve => { onStart = resolve })
      const [handled] = step ? await step.run(async () => await this.#run([item], onStart), started) : await this.#runShared([item])
      return handled as Handled
    })
  }

  async #runShared (items: Array<Item<Static<Schema>>>): Promise<Handled[]> {
    const { guard } = this.#options
    return guard ? await guard.shared(async () => await this.#run(items)) : await this.#run(items)
  }

  async #run (items: Array<Item<Static<Schema>>>, onStart = () => {}): Promise<Handled[]> {
    const { inbox } = this.#options
    if (inbox) {
      return await inbox.process(items, async (fresh, db) => {
        onStart()
        return await this.#call(fresh, db)
      })
    }
    onStart()
    // HandleContext documents that `db` is undefined in a service without a database.
    const outcomes = await this.#call(items, undefined as unknown as Db)
    return outcomes.map(outcome => ({ outcome }))
  }

  async #call (items: Array<Item<Static<Schema>>>, db: Db): Promise<HandlerOutcome[]> {
    const { log, signal } = this.#options
    const { handle, handleBatch } = this.#consumer
    if (handleBatch) {
      const logs = new Map<Event, FastifyBaseLogger>(items.map(item => [item.event, item.log]))
      const outcomes = await handleBatch(items.map(({ event }) => event), { db, log, logOf: event => logs.get(event) ?? log, signal })
      return items.map((_item, index) => outcomes?.[index] ?? 'processed')
    }
    // Without handleBatch, `items` has one item.
    const outcomes: HandlerOutcome[] = []
    for (const { event, log, origin } of items) outcomes.push(await handle(event, { db, log, origin, signal }) ?? 'processed')
    return outcomes
  }
}
