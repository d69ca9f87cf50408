import type { TSchema } from 'typebox'
import type { Event } from './envelope.js'

/** The contract of a topic for its readers and writers. */
export interface Topic<Data extends TSchema = TSchema> {
  /** Name of the topic, and `type` of its events. */
  name: string
  /** What its events mean, for readers of the contract. */
  description: string
  /** Major version of `data`; a change that readers would notice needs a new one. */
  version: number
  /** Minor version of `data`, counting additions that readers may ignore. Events carry it; readers do not check it. */
  minor?: number
  partitions: number
  /** Topic settings of the broker. */
  config: { 'retention.ms': string, 'segment.ms': string, 'max.message.bytes': string, 'message.timestamp.type': 'LogAppendTime' }
  data: Data
  /** Schema of the replies on the topic `<name>.reply`, if this is a request topic: see request-reply.ts. */
  reply?: TSchema
  /** An event of the topic, for the documentation. */
  example?: Event
}

/**
 * A topic's or group's name on the broker. `prefix` (KAFKA_PREFIX) separates environments that share a cluster. Only this
 * function adds it: events, outbox rows and the contract have the plain name.
 */
export function kafkaName (prefix: string, name: string): string {
  return `${prefix}${name}`
}
