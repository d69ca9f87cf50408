import { Counter, Gauge, type Registry } from 'prom-client'
import type { Statistics } from '@pair/kafka'
import { readOnDemand, type Values } from './read-on-demand.js'

type PartitionStatistics = Statistics['topics'][string]['partitions'][string]

/** Metrics from librdkafka's statistics, which it emits once a second. @returns the listener for the statistics */
export function clientMetrics (registry: Registry, group: string): (statistics: Statistics) => void {
  const latest = new Map<Statistics['type'], Statistics>()
  /** The last known lag by partition: while the broker refuses fetches, librdkafka does not know the end of the partition. */
  const lastLag = new Map<string, number>()
  const ofGroup = { messaging_consumer_group_name: group }
  const consumer = (value: (cgrp: NonNullable<Statistics['cgrp']>) => number): Values => {
    const cgrp = latest.get('consumer')?.cgrp
    return cgrp === undefined ? [] : [[ofGroup, value(cgrp)]]
  }

  readOnDemand(registry, Gauge, {
    name: 'kafka_brokers_connected',
    help: 'Brokers that a client is connected to',
    labelNames: ['client'],
    read: () => [...latest.values()].map(({ type, brokers }) => [{ client: type }, Object.values(brokers).filter(isConnected).length])
  })
  readOnDemand(registry, Gauge, {
    name: 'kafka_producer_queue_messages',
    help: 'Messages in librdkafka\'s queue: waiting to be sent or to be acknowledged',
    labelNames: [],
    read: () => latest.has('producer') ? [[{}, latest.get('producer')?.msg_cnt ?? 0]] : []
  })
  readOnDemand(registry, Gauge, {
    name: 'kafka_consumer_assigned_partitions',
    help: 'Partitions assigned to this member of the group',
    labelNames: ['messaging_consumer_group_name'],
    read: () => consumer(({ assignment_size: size }) => size)
  })
  readOnDemand(registry, Counter, {
    name: 'kafka_consumer_rebalances_total',
    help: 'Rebalances of the group, as seen by this member',
    labelNames: ['messaging_consumer_group_name'],
    read: () => consumer(({ rebalance_cnt: count }) => count)
  })
  readOnDemand(registry, Gauge, {
    name: 'kafka_consumer_group_lag',
    help: 'Messages between the committed offset of the group and the end of the partition; reported by the member that holds it',
    labelNames: ['messaging_destination_name', 'messaging_destination_partition_id', 'messaging_consumer_group_name'],
    read: () => Object.entries(latest.get('consumer')?.topics ?? {}).flatMap(([topic, { partitions }]) =>
      Object.entries(partitions).flatMap(([partition, statistics]): Values => {
        const topicPartition = `${topic}[${partition}]`
        const lag = lagOf(statistics) ?? (statistics.fetch_state === 'active' ? lastLag.get(topicPartition) : undefined)
        if (lag === undefined) lastLag.delete(topicPartition)
        else lastLag.set(topicPartition, lag)
        const labels = { messaging_destination_name: topic, messaging_destination_partition_id: partition, ...ofGroup }
        return lag === undefined ? [] : [[labels, lag]]
      }))
  })

  return statistics => { latest.set(statistics.type, statistics) }
}

/** Whether a broker counts as connected; bootstrap addresses and the coordinator's second entry for a broker do not count. */
function isConnected ({ source, state }: Statistics['brokers'][string]): boolean {
  return source === 'learned' && state === 'UP'
}

/**
 * The lag to the end of the partition. librdkafka's own lag ends at the last stable offset and so leaves out messages behind an
 * open transaction. If nothing was committed yet, the lag is the whole partition.
 */
function lagOf ({ fetch_state: state, committed_offset: committed, lo_offset: low, hi_offset: end }: PartitionStatistics): number | undefined {
  if (state !== 'active') return undefined // assigned to another member, or not known yet
  const next = committed >= 0 ? committed : low
  return next >= 0 && end >= 0 ? Math.max(0, end - next) : undefined
}
