import type { Topic } from './topic.js'

/**
 * Safety margin of a day: Kafka checks retention every 5 minutes by default (`log.retention.check.interval.ms`), not while it is
 * down, and the clocks of broker, database and operator differ.
 */
const spareMs = 24 * 60 * 60 * 1000

/**
 * How long a record can be read after it was written, in ms; Infinity if `retention.ms` is -1. It is longer than `retention.ms`:
 * Kafka deletes whole segments, each when its newest record is too old, and a segment accepts records for `segment.ms`.
 */
export function readableForMs ({ config }: Topic): number {
  const retentionMs = Number(config['retention.ms'])
  return retentionMs < 0 ? Infinity : retentionMs + Number(config['segment.ms']) + spareMs
}

/**
 * How long after its event was first written a dead letter may be replayed, in ms: as long as a record that was written at the
 * same time can be read, because dead-letter topics have the retention of their topics. Without this limit, the dead letter of
 * a replay could be replayed again and again.
 */
export function replayableForMs (topic: Topic): number {
  return readableForMs(topic)
}

/**
 * How long a service must remember that it has processed an event, in ms. Until then the event can be delivered again: by a
 * replay that is sent at the last moment and can then be read as long as any record.
 */
export function knownForMs (topic: Topic): number {
  return replayableForMs(topic) + readableForMs(topic)
}
