import type { FastifyBaseLogger } from 'fastify'
import type { Event, Topic } from '@pair/events'
import type { Static, TSchema } from 'typebox'
import type { Db } from '../database/transaction.js'
import type { HandlerOutcome } from '../inbox/inbox.js'
import type { RetryPolicy } from './retry.js'

export interface HandleContext {
  /**
   * A connection in the transaction that holds the event's inbox entry: what is written with it is stored once, however often
   * the event comes. A statement that fails rolls all of it back. Undefined in a service without a database.
   */
  db: Db
  /** Names the message in each line. */
  log: FastifyBaseLogger
  /** Aborted when the service ends. An event that is given up then comes again. */
  signal: AbortSignal
}

/**
 * What a service does with an event. It returns or throws; commits, retries and dead letters are not its business. An error
 * may say whose fault it is: see `permanent` and `transient`.
 */
export type Handle<Data> = (event: Event<Data>, context: HandleContext) => HandlerOutcome | void | Promise<HandlerOutcome | void>

export interface HandleBatchContext extends HandleContext {
  /** Of the consumer: it names no message. */
  log: FastifyBaseLogger
  /** Names the message of this event in each line. */
  logOf: (event: Event) => FastifyBaseLogger
}

/**
 * For hot paths: events that came together, in one transaction. Where it fails they come again, each alone, so that one bad
 * event fails alone. It may return what it did with each, in their order.
 */
export type HandleBatch<Data> = (events: Array<Event<Data>>, context: HandleBatchContext) => Outcomes | Promise<Outcomes>
type Outcomes = HandlerOutcome[] | void

/** A consumer of a topic: how a service declares it. */
export type ConsumerOptions<Schema extends TSchema = TSchema> = {
  topic: Topic<Schema>
  retry?: RetryPolicy
  /** `false`: no transaction and no inbox entry, so that an event that comes twice is handled twice. */
  inbox?: false
} & ({
  handle: Handle<Static<Schema>>
  /** How many events are handled side by side; those of one key never are. 10 unless told otherwise. Each takes a connection. */
  concurrency?: number
  handleBatch?: never
} | {
  handleBatch: HandleBatch<Static<Schema>>
  handle?: never
  concurrency?: never
})
