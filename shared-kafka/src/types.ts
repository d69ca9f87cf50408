/** What @fastify/kafka, the services and the client say to each other. */

/** The part of a pino logger that the client uses. */
export interface Logger {
  debug (details: object, text: string): void
  info (details: object, text: string): void
  warn (details: object, text: string): void
  error (details: object, text: string): void
}

/** Header values are text: the binding writes them as UTF-8. */
export type Headers = Array<Record<string, string>>

/** A record as `Producer.send` takes it. */
export interface OutgoingMessage {
  topic: string
  /** A string is written as UTF-8, a buffer as it is, null and undefined as no key. */
  key?: string | Buffer | null | undefined
  /** A string is written as UTF-8, a buffer as it is, null and undefined as a null value; anything else as JSON. */
  value?: unknown
  /** Without it the partitioner chooses by key, as Java's default partitioner does. */
  partition?: number | undefined
  headers?: Headers | undefined
}

/** Where the broker stored a record. */
export interface Delivery {
  topic: string
  partition: number
  offset: number
}

/** A record as the plugin's listeners get it. */
export interface Message {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Array<Record<string, Buffer>>
  /** Milliseconds since 1970, -1 where the broker gives none. */
  readonly timestamp: number
  /**
   * Gives the message up without a commit: nothing waits for it any more, no later commit of its partition passes it,
   * and it comes again after the next assignment. For a handler that was told to stop.
   */
  release (): void
}

/**
 * What a client tells the listener in its options.
 *
 * - `assigned`: a member of the group; the partitions it holds now (possibly none)
 * - `lost`: no member of the group for 5 s, or thrown out of it
 * - `broker-away`, `broker-back`: no broker, or one again, is connected
 * - `fatal`: the client has ended and will not recover (for a producer: a setting that librdkafka refuses)
 */
export type ClientState =
  | { type: 'assigned', partitions: Array<{ topic: string, partition: number }> }
  | { type: 'lost' }
  | { type: 'broker-away' }
  | { type: 'broker-back' }
  | { type: 'fatal', error: Error }

/**
 * Options of a client: librdkafka's properties by their own names, the names of @fastify/kafka 4's README, and what
 * the plugin has no door for.
 */
export interface ClientOptions {
  logger?: Logger
  /** Called on the event loop, once for each change. */
  onState?: (state: ClientState) => void
  /** Producer only: put before the headers of every record. */
  headers?: Headers
  [property: string]: unknown
}

/** A topic as it is declared. */
export interface TopicDeclaration {
  name: string
  partitions: number
  /** Topic settings, such as `retention.ms`. */
  config?: Record<string, string>
}
