import { Counter, Gauge, type Registry } from 'prom-client'
import type { Statistics } from '@pair/kafka'
import { readOnDemand, type Values } from './read-on-demand.js'

type PartitionStatistics = Statistics['topics'][string]['partitions'][string]

/** What librdkafka says of itself once a second: a choice of its statistics. @returns the listener for them */
export function clientMetrics (registry: Registry, group: string): (statistics: Statistics) => void {
  const latest = new Map<Statistics['type'], Statistics>()
  /** While the broker refuses a fetch librdkafka knows no end of the partition. */
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
    help: 'Messages that librdkafka holds for the broker: waiting to be sent, or to be acknowledged',
    labelNames: [],
    read: () => latest.has('producer') ? [[{}, latest.get('producer')?.msg_cnt ?? 0]] : []
  })
  readOnDemand(registry, Gauge, {
    name: 'kafka_consumer_assigned_partitions',
    help: 'Partitions that this member of the group holds',
    labelNames: ['messaging_consumer_group_name'],
    read: () => consumer(({ assignment_size: size }) => size)
  })
  readOnDemand(registry, Counter, {
    name: 'kafka_consumer_rebalances_total',
    help: 'Times that the partitions of the group were dealt out anew, as this member saw it',
    labelNames: ['messaging_consumer_group_name'],
    read: () => consumer(({ rebalance_cnt: count }) => count)
  })
  readOnDemand(registry, Gauge, {
    name: 'kafka_consumer_group_lag',
    help: 'From the offset that the group has committed to the end of the partition; told by the member that holds it',
    labelNames: ['messaging_destination_name', 'messaging_destination_partition_id', 'messaging_consumer_group_name'],
    read: () => Object.entries(latest.get('consumer')?.topics ?? {}).flatMap(([topic, { partitions }]) =>
      Object.entries(partitions).flatMap(([partition, statistics]): Values => {
        const place = `${topic}[${partition}]`
        const lag = lagOf(statistics) ?? (statistics.fetch_state === 'active' ? lastLag.get(place) : undefined)
        if (lag === undefined) lastLag.delete(place)
        else lastLag.set(place, lag)
        const labels = { messaging_destination_name: topic, messaging_destination_partition_id: partition, ...ofGroup }
        return lag === undefined ? [] : [[labels, lag]]
      }))
  })

  return statistics => { latest.set(statistics.type, statistics) }
}

/** Not those that were only configured, or are the same broker in another role. */
function isConnected ({ source, state }: Statistics['brokers'][string]): boolean {
  return source === 'learned' && state === 'UP'
}

/**
 * To the very end: librdkafka's own lag leaves out what an open transaction holds back. Where nothing was ever committed,
 * the group has all that there is before it.
 */
function lagOf ({ fetch_state: state, committed_offset: committed, lo_offset: low, hi_offset: end }: PartitionStatistics): number | undefined {
  if (state !== 'active') return undefined // it is another member's, or not known yet
  const next = committed >= 0 ? committed : low
  return next >= 0 && end >= 0 ? Math.max(0, end - next) : undefined
}
