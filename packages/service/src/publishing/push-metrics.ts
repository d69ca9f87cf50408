import { Counter, Histogram, type Registry } from 'prom-client'
import { durationBuckets } from '../metrics/buckets.js'
import { readOnDemand } from '../metrics/read-on-demand.js'
import type { Push } from './message.js'

interface Pushes { labels: Record<string, string>, count: number, duration: { observe: (seconds: number) => void } }

/** Maximum number of series (topic and error); further ones are counted as _OTHER. Each topic has two from the start, and librdkafka has about 150 errors. */
const maxSeries = 200

/** The usual error of a push while the broker is unreachable. Its counter is initialised to 0, so that rate() sees the first failure. */
const usualError = 'ERR__MSG_TIMED_OUT'

/** Wraps a push with metrics by topic and outcome. */
export function measuredPush (registry: Registry, push: Push): Push {
  const known = new Map<string, Pushes>()
  const labelNames = ['messaging_operation_name', 'messaging_destination_name', 'error_type']
  const duration = new Histogram({
    registers: [registry],
    name: 'messaging_client_operation_duration_seconds',
    help: 'Time from the push of an event to its acknowledgement by the broker, or to its failure',
    labelNames,
    buckets: durationBuckets
  })
  readOnDemand(registry, Counter, {
    name: 'messaging_client_sent_messages_total',
    help: 'Finished pushes: acknowledged by the broker if error_type is empty, otherwise failed (the outbox retries or parks the event)',
    labelNames,
    read: () => [...known.values()].map(({ labels, count }) => [labels, count])
  })

  function pushesOf (topic: string, error = ''): Pushes {
    const name = error === '' ? topic : `${topic} ${error}`
    const found = known.get(name)
    if (found !== undefined) return found
    if (known.size >= maxSeries && topic !== '_OTHER') return pushesOf('_OTHER', error === '' ? '' : '_OTHER')
    const labels = { messaging_operation_name: 'send', messaging_destination_name: topic, error_type: error }
    const pushes = { labels, count: 0, duration: duration.labels(labels) }
    known.set(name, pushes)
    if (error === '' && topic !== '_OTHER') pushesOf(topic, usualError)
    return pushes
  }

  function ended (pushes: Pushes, sinceMs: number): void {
    pushes.count += 1
    pushes.duration.observe((performance.now() - sinceMs) / 1000)
  }

  return async row => {
    const sinceMs = performance.now()
    const acknowledged = pushesOf(row.type)
    try {
      await push(row)
      ended(acknowledged, sinceMs)
    } catch (error) {
      ended(pushesOf(row.type, errorType(error)), sinceMs)
      throw error
    }
  }
}

/** The name of a Kafka error, such as ERR__MSG_TIMED_OUT; _OTHER for any other error, whose text may quote data. */
export function errorType (error: unknown): string {
  const { codeName } = error as { codeName?: unknown }
  return typeof codeName === 'string' ? codeName : '_OTHER'
}
