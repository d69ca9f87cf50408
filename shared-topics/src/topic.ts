import type { TSchema } from 'typebox'

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
  /** Who writes the events: `source` of each. */
  source: string
  partitions: number
  /** Topic settings of the broker. */
  config: { 'retention.ms': string, 'max.message.bytes': string, 'message.timestamp.type': 'LogAppendTime' }
  data: Data
}

/** Where the messages of a topic go that cannot be processed. */
export function deadLetterTopic (name: string): string {
  return `${name}.dlq`
}
