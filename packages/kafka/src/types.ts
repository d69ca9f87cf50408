/** What @fastify/kafka, the services and the client say to each other. */

/** The part of a pino logger that the client uses. */
export interface Logger {
  debug (details: object, text: string): void
  info (details: object, text: string): void
  warn (details: object, text: string): void
  error (details: object, text: string): void
}

/** Headers in their order, of which several may have one name. */
export type Headers = Array<Record<string, string>>

type HeaderMap = Record<string, string | Uint8Array> | Map<string | Uint8Array, string | Uint8Array>
/** Headers as `send` takes them, in their order. Names and values are text, as UTF-8 where they are bytes. */
export type HeadersToSend = HeaderMap | HeaderMap[]

/** A record as `Producer.send` takes it. */
export interface OutgoingMessage {
  topic: string
  /** A string is written as UTF-8, bytes (`Buffer`, `ArrayBuffer`, any view) as they are, null and undefined as no key. */
  key?: string | ArrayBufferView | ArrayBuffer | null | undefined
  /** A string is written as UTF-8, bytes as they are, null and undefined as a null value; anything else as JSON. */
  value?: unknown
  /** Without it the partitioner chooses by key, as Java's default partitioner does. */
  partition?: number | undefined
  headers?: HeadersToSend | undefined
}

/** Where the broker stored a record. */
export interface Delivery {
  topic: string
  partition: number
  offset: number
}

/** A record as the broker holds it. */
export interface StoredMessage {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Array<Record<string, Buffer>>
  /** Milliseconds since 1970, -1 where the broker gives none. */
  readonly timestamp: number
}

/** A record as the plugin's listeners get it. */
export interface Message extends StoredMessage {
  /** Of the first message that was handed out since its partition was assigned. */
  readonly isFirst?: true
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
 * - `unreadable`, `readable`: a batch that the client cannot read holds up its partition, or has not done so for 10 s
 * - `unhandled`: topics of which messages have been out for 10 s and none was ever committed, as a rule for lack of a
 *   listener; they hold up no other topic; none any more where the list is empty
 * - `stalled`, `moving`: as many messages are out without a commit as may be, and none was committed for 10 s; or there is
 *   movement again. Each message has to be committed, unless `cumulativeCommits` is set
 * - `broker-away`, `broker-back`: no broker, or one again, is connected
 * - `refused`, `allowed`: the broker answers and refuses to write, to read or to join the group, because a right is missing
 *   (at times again, for another reason); or nothing is refused any more
 * - `fatal`: the client has ended and will not recover (for a producer: a setting that librdkafka refuses; any other fatal
 *   error makes it replace its handle, until the cause is over)
 */
export type ClientState =
  | { type: 'assigned', partitions: Array<{ topic: string, partition: number }> }
  | { type: 'lost' }
  | { type: 'unreadable', error: Error }
  | { type: 'readable' }
  | { type: 'unhandled', topics: string[] }
  | { type: 'stalled', inFlight: number }
  | { type: 'moving' }
  | { type: 'broker-away' }
  | { type: 'broker-back' }
  | { type: 'refused', error: Error }
  | { type: 'allowed' }
  | { type: 'fatal', error: Error }

/** The part of librdkafka's statistics that is read here; what each means is in its STATISTICS.md. */
export interface Statistics {
  type: 'producer' | 'consumer'
  msg_cnt: number
  brokers: Record<string, { state: string, source: string, nodename?: string }>
  topics: Record<string, {
    partitions: Record<string, { fetch_state: string, consumer_lag: number, committed_offset: number, lo_offset: number, hi_offset: number, next_offset?: number, rxmsgs?: number }>
  }>
  /** Of an idempotent producer. */
  eos?: { idemp_state: string }
  cgrp?: { join_state: string, rebalance_cnt: number, assignment_size: number }
}

/**
 * Options of a client: librdkafka's properties by their own names, the names of @fastify/kafka 4's README, and what
 * the plugin has no door for.
 */
export interface ClientOptions {
  logger?: Logger
  /** Called on the event loop, once for each change. */
  onState?: (state: ClientState) => void
  /** Called on the event loop, once a second (`statistics.interval.ms`). */
  onStatistics?: (statistics: Statistics) => void
  /** Producer only: put before the headers of every record. */
  headers?: HeadersToSend
  /**
   * Consumer only: whether a commit counts for all messages before it in its partition, as in Kafka itself (but for those
   * that were given up), or for this one alone. Alone unless told otherwise: then handlers may end in any order, and nothing that is in flight is passed.
   */
  cumulativeCommits?: boolean
  /** How long `close` takes at most, in ms, of which up to 2000 are for leaving the group. 5000 unless told otherwise. */
  closeTimeoutMs?: number
  [property: string]: unknown
}

/** A topic as it is declared. */
export interface TopicDeclaration {
  name: string
  partitions: number
  /** Topic settings, such as `retention.ms`. */
  config?: Record<string, string>
}
