import type rdkafka from 'node-rdkafka'
import type { Logger } from './types.js'

/** A callback as node-rdkafka documents it: `this` is the consumer, and it calls `this.assign(…)` or `this.unassign()`. */
export type RebalanceCallback = (this: rdkafka.KafkaConsumer, error: rdkafka.LibrdKafkaError, partitions: rdkafka.TopicPartition[]) => void

/**
 * Calls the callback and returns the partitions that it passes to `assign` or `incrementalAssign`, offsets included, or its
 * argument where it calls neither. The client passes them to librdkafka when no message in flight delays it.
 */
export function asChosen (callback: RebalanceCallback, handle: rdkafka.KafkaConsumer, logger: Logger, error: rdkafka.LibrdKafkaError, partitions: rdkafka.TopicPartition[]): rdkafka.Assignment[] {
  let chosen: rdkafka.Assignment[] | undefined
  let isOver = false
  const choose = (assignments: rdkafka.Assignment[], before: rdkafka.Assignment[] = []) => {
    if (isOver) return logger.warn({}, 'kafka: rebalance_cb called assign too late: it must do so before it returns')
    if (!Array.isArray(assignments) || !assignments.every(isPartition)) throw new TypeError('assign takes an array of { topic, partition }')
    chosen = [...before, ...assignments]
  }
  const consumer = Object.create(handle, {
    assign: { value: (assignments: rdkafka.Assignment[]) => choose(assignments) },
    incrementalAssign: { value: (assignments: rdkafka.Assignment[]) => choose(assignments, chosen) },
    unassign: { value () {} },
    incrementalUnassign: { value () {} }
  }) as rdkafka.KafkaConsumer
  try {
    callback.call(consumer, error, partitions)
  } catch (cause) {
    logger.error({ err: cause }, 'kafka: rebalance_cb has failed')
  }
  isOver = true
  return chosen ?? partitions
}

const isPartition = (value: Partial<rdkafka.Assignment> | null) => typeof value?.topic === 'string' && typeof value.partition === 'number'
