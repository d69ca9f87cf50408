import type { Topic } from './topic.js'

/**
 * Kafka looks every 5 minutes by default (`log.retention.check.interval.ms`), and not while it is down; and the clocks of
 * broker, database and operator differ.
 */
const spareMs = 24 * 60 * 60 * 1000

/**
 * How long a record can be read after it was written, in ms: for ever where `retention.ms` is -1. Not only for `retention.ms`: Kafka removes whole segments, each
 * when its newest record is too old, and a segment takes records for `segment.ms`.
 */
export function readableForMs ({ config }: Topic): number {
  const retentionMs = Number(config['retention.ms'])
  return retentionMs < 0 ? Infinity : retentionMs + Number(config['segment.ms']) + spareMs
}

/**
 * How long after its event was first written a dead letter may be replayed, in ms: for as long as one that was written with
 * it can be read, since dead-letter topics have the retention of theirs. A letter of a replay is newer and could be read for
 * longer, and so on without an end.
 */
export function replayableForMs (topic: Topic): number {
  return readableForMs(topic)
}

/**
 * How long a service must know that it has processed an event, in ms. Until then it can come again: in a replay, which may be
 * sent at the last moment and then be read for as long as any record.
 */
export function knownForMs (topic: Topic): number {
  return replayableForMs(topic) + readableForMs(topic)
}
