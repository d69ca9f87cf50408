/** Types shared by @fastify/kafka, the services and the client. */

/** The part of a pino logger that the client uses. */
export interface Logger {
  debug (details: object, text: string): void
  info (details: object, text: string): void
  warn (details: object, text: string): void
  error (details: object, text: string): void
}

/** Headers in order; several may have one name. */
export type Headers = Array<Record<string, string>>

type HeaderMap = Record<string, string | Uint8Array> | Map<string | Uint8Array, string | Uint8Array>
/** Headers as `send` takes them, in order. Names and values are text; bytes must be UTF-8. */
export type HeadersToSend = HeaderMap | HeaderMap[]

/** A record as `Producer.send` takes it. */
export interface OutgoingMessage {
  topic: string
  /** A string is written as UTF-8, bytes (`Buffer`, `ArrayBuffer`, any view) unchanged; null and undefined mean no key. */
  key?: string | ArrayBufferView | ArrayBuffer | null | undefined
  /** A string is written as UTF-8, bytes unchanged, null and undefined as a null value; any other value as JSON. */
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
  /** Milliseconds since 1970; -1 where the record has none. */
  readonly timestamp: number
}

/** A record as the plugin's listeners get it. */
export interface Message extends StoredMessage {
  /** Size of the value in bytes. */
  readonly size?: number
  /** Set on the first message handed out since its partition was assigned. */
  readonly isFirst?: true
  /**
   * Gives the message up without a commit: nothing waits for it, no later commit of its partition passes it, and it is delivered
   * again after the next assignment. For a handler that is stopped.
   */
  release (): void
}

/**
 * States that a client reports to `onState`.
 *
 * - `assigned`: it is a member of the group, with these partitions (possibly none)
 * - `lost`: it has not been a member of the group for 5 s
 * - `unreadable`, `readable`: a batch that the client cannot read holds up its partition; there was none for 10 s
 * - `unhandled`: topics with messages in flight for 10 s of which none was ever committed, usually for lack of a listener. They
 *   hold up no other topic. An empty list ends the state
 * - `stalled`, `moving`: the limit of messages in flight is reached and none was committed for 10 s; commits go on again. Each
 *   message must be committed, unless `cumulativeCommits` is set
 * - `broker-away`, `broker-back`: no broker is connected; a broker is connected again
 * - `refused`, `allowed`: the broker refuses to write, to read or to join the group, because a right is missing (reported again
 *   when the reason changes); nothing is refused any more
 * - `fatal`: the client has ended and will not recover. A producer ends only on a setting that librdkafka refuses; after any
 *   other fatal error it replaces its handle
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

/** The fields of librdkafka's statistics that are used here, as its STATISTICS.md defines them. */
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

/** Declaration of a topic. */
export interface TopicDeclaration {
  name: string
  partitions: number
  /** Topic settings, such as `retention.ms`. */
  config?: Record<string, string>
}
