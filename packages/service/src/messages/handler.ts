import type { FastifyBaseLogger } from 'fastify'
import type { Event } from '@pair/events'
import type { Static, TSchema } from 'typebox'
import { Semaphore } from '../concurrency/semaphore.js'
import type { CrashGuard } from '../crash-guard/crash-guard.js'
import { Batcher } from '../database/batcher.js'
import { aloneAtOnce, handlersAtOnce, maxBatch } from '../limits.js'
import type { Db } from '../database/transaction.js'
import type { Handled, HandlerOutcome, Inbox } from '../inbox/inbox.js'
import type { ConsumerOptions } from './consumer.js'
import type { Step } from './stepping.js'

/** An event on its way. It stays the same over all attempts: one that failed alone is not put into a batch again. */
export interface Item<Data> { event: Event<Data>, log: FastifyBaseLogger }

interface Surroundings {
  /** Of a service with a database. */
  inbox?: Inbox | undefined
  /** Of a service with a database. */
  guard?: Pick<CrashGuard, 'beside'> | undefined
  log: FastifyBaseLogger
  signal: AbortSignal
}

/** Runs a consumer's handler, each attempt in a transaction of its own, which has ended when the attempt has. */
export class Handler<Schema extends TSchema> {
  readonly #consumer: ConsumerOptions<Schema>
  readonly #surroundings: Surroundings
  readonly #semaphore: Semaphore
  readonly #batcher: Batcher<Item<Static<Schema>>, Handled> | undefined

  constructor (consumer: ConsumerOptions<Schema>, surroundings: Surroundings) {
    this.#consumer = consumer
    this.#surroundings = surroundings
    this.#semaphore = new Semaphore(() => consumer.handleBatch ? aloneAtOnce : consumer.concurrency ?? handlersAtOnce)
    if (consumer.handleBatch) this.#batcher = new Batcher(async items => await this.#runBeside(items), maxBatch, this.#semaphore)
  }

  /**
   * @param step of a message that is stepped through: it is in no batch
   * @throws what the handler or the database has thrown; the signal's reason when it is aborted before the handler runs
   */
  async attempt (item: Item<Static<Schema>>, step?: Step): Promise<Handled> {
    const { signal } = this.#surroundings
    signal.throwIfAborted()
    if (this.#batcher && !step) return await this.#batcher.run(item)
    return await this.#semaphore.run(async () => {
      signal.throwIfAborted()
      let onStart = () => {}
      const started = new Promise<void>(resolve => { onStart = resolve })
      const [handled] = step ? await step.run(async () => await this.#run([item], onStart), started) : await this.#runBeside([item])
      return handled as Handled
    })
  }

  async #runBeside (items: Array<Item<Static<Schema>>>): Promise<Handled[]> {
    const { guard } = this.#surroundings
    return guard ? await guard.beside(async () => await this.#run(items)) : await this.#run(items)
  }

  async #run (items: Array<Item<Static<Schema>>>, onStart = () => {}): Promise<Handled[]> {
    const { inbox } = this.#surroundings
    if (inbox) {
      return await inbox.process(items, async (fresh, db) => {
        onStart()
        return await this.#call(fresh, db)
      })
    }
    onStart()
    // Without a database there is none to be handed out, as the handler's documentation says.
    const outcomes = await this.#call(items, undefined as unknown as Db)
    return outcomes.map(outcome => ({ outcome }))
  }

  async #call (items: Array<Item<Static<Schema>>>, db: Db): Promise<HandlerOutcome[]> {
    const { log, signal } = this.#surroundings
    const { handle, handleBatch } = this.#consumer
    if (handleBatch) {
      const logs = new Map<Event, FastifyBaseLogger>(items.map(item => [item.event, item.log]))
      const outcomes = await handleBatch(items.map(({ event }) => event), { db, log, logOf: event => logs.get(event) ?? log, signal })
      return items.map((_item, index) => outcomes?.[index] ?? 'processed')
    }
    // As a rule it is one: only a batch is more.
    const outcomes: HandlerOutcome[] = []
    for (const { event, log } of items) outcomes.push(await handle(event, { db, log, signal }) ?? 'processed')
    return outcomes
  }
}
