import type { FastifyBaseLogger } from 'fastify'
import type { Event, Topic } from '@pair/events'
import type { Static, TSchema } from 'typebox'
import type { Db } from '../database/transaction.js'
import type { HandlerOutcome } from '../inbox/inbox.js'
import type { RetryPolicy } from './retry.js'

/** The message of an event, as its dead letter names it. It can be kept as JSON. */
export interface Origin {
  /** The topic's name on the broker. */
  topic: string
  partition: number
  offset: number
  /** In ms since 1970, by the broker's clock; -1 if unknown. */
  timestamp: number
  key: string | null
}

export interface HandleContext {
  /**
   * A connection in the transaction that holds the event's inbox entry: its writes are stored once, however often the event is
   * delivered. A failed statement rolls back the whole transaction. Undefined in a service without a database.
   */
  db: Db
  /** A child logger whose lines name the message. */
  log: FastifyBaseLogger
  /** The event's message, for `app.messages.deadLetter` where the effect comes after the commit. */
  origin: Origin
  /** Aborted when the service stops. An event whose handler gives up then is redelivered. */
  signal: AbortSignal
}

/**
 * Handles one event: returns or throws. Commits, retries and dead letters happen around it. An error may be classified with
 * `permanent` or `transient`.
 */
export type Handle<Data> = (event: Event<Data>, context: HandleContext) => HandlerOutcome | void | Promise<HandlerOutcome | void>

export interface HandleBatchContext extends Omit<HandleContext, 'origin'> {
  /** The consumer's logger: its lines name no message. */
  log: FastifyBaseLogger
  /** Returns the child logger whose lines name the message of this event. */
  logOf: (event: Event) => FastifyBaseLogger
}

/**
 * Handles a batch of events in one transaction, for hot paths. If it fails, each event is handled again in a transaction of
 * its own, so that one bad event fails alone. It may return the outcomes, in the order of the events.
 */
export type HandleBatch<Data> = (events: Array<Event<Data>>, context: HandleBatchContext) => Outcomes | Promise<Outcomes>
type Outcomes = HandlerOutcome[] | void

/** A service's declaration of the consumer of a topic. */
export type ConsumerOptions<Schema extends TSchema = TSchema> = {
  topic: Topic<Schema>
  retry?: RetryPolicy
  /** `false`: no transaction and no inbox entry, so an event that is delivered twice is handled twice. */
  inbox?: false
} & ({
  handle: Handle<Static<Schema>>
  /** How many events are handled concurrently, 10 by default; events of one key never are. Each uses a database connection. */
  concurrency?: number
  handleBatch?: never
} | {
  handleBatch: HandleBatch<Static<Schema>>
  handle?: never
  concurrency?: never
})
