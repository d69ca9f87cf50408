import type { TSchema } from 'typebox'
import type { Event } from './envelope.js'

/** What a topic promises to those who read it and to those who write to it. */
export interface Topic<Data extends TSchema = TSchema> {
  /** Name of the topic, and `type` of its events. */
  name: string
  /** What its events say, for readers of the contract. */
  description: string
  /** Major version of `data`; a change that readers would notice needs a new one. */
  version: number
  /** Counts what was added since, which readers may ignore. It is told in the events, and not looked at. */
  minor?: number
  partitions: number
  /** Topic settings of the broker. */
  config: { 'retention.ms': string, 'segment.ms': string, 'max.message.bytes': string, 'message.timestamp.type': 'LogAppendTime' }
  data: Data
  /** What its requests are answered with, on the topic `<name>.reply`: see request-reply.ts. */
  reply?: TSchema
  /** An event of the topic, for the documentation. */
  example?: Event
}

/**
 * A topic's or group's name as the broker knows it. `prefix` (KAFKA_PREFIX) keeps environments that share a cluster apart.
 * Only this function adds it: events, outbox rows and the contract have the plain name.
 */
export function kafkaName (prefix: string, name: string): string {
  return `${prefix}${name}`
}
