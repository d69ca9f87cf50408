import { Counter, Histogram, type Registry } from 'prom-client'
import { durationBuckets } from '../metrics/buckets.js'
import { readOnDemand } from '../metrics/read-on-demand.js'
import type { Push } from './message.js'

interface Pushes { labels: Record<string, string>, count: number, duration: { observe: (seconds: number) => void } }

/** Topics are the code's to choose and errors librdkafka's, of which there are some 150, and each topic has two names from the start; beyond this they have none. */
const mostNames = 200

/** What a push fails with when the broker is away. Its count is there from the start, at 0: of a series that begins at 1 no rate is seen. */
const usualError = 'ERR__MSG_TIMED_OUT'

/** Counts pushes by topic and outcome. @returns the push that does so */
export function measuredPush (registry: Registry, push: Push): Push {
  const known = new Map<string, Pushes>()
  const labelNames = ['messaging_operation_name', 'messaging_destination_name', 'error_type']
  const duration = new Histogram({
    registers: [registry],
    name: 'messaging_client_operation_duration_seconds',
    help: 'From the push of an event to its acknowledgement by the broker, or its failure',
    labelNames,
    buckets: durationBuckets
  })
  readOnDemand(registry, Counter, {
    name: 'messaging_client_sent_messages_total',
    help: 'Pushes that have ended; without error_type they are acknowledged by the broker, with one they are tried again or parked',
    labelNames,
    read: () => [...known.values()].map(({ labels, count }) => [labels, count])
  })

  function pushesOf (topic: string, error = ''): Pushes {
    const name = error === '' ? topic : `${topic} ${error}`
    const found = known.get(name)
    if (found !== undefined) return found
    if (known.size >= mostNames && topic !== '_OTHER') return pushesOf('_OTHER', error === '' ? '' : '_OTHER')
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

/** The name of a Kafka error, such as ERR__MSG_TIMED_OUT; an error of another kind may say anything. */
export function errorType (error: unknown): string {
  const { codeName } = error as { codeName?: unknown }
  return typeof codeName === 'string' ? codeName : '_OTHER'
}
