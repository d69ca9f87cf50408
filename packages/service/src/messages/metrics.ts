import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Outcome } from '../inbox/inbox.js'
import type { Failure } from './dead-letters.js'
import { delayBuckets, durationBuckets } from '../metrics/buckets.js'
import { readOnDemand, type Values } from '../metrics/read-on-demand.js'

interface Observer { observe: (seconds: number) => void }

const topicLabels = ['messaging_destination_name', 'messaging_consumer_group_name']

/** Metrics of a consumer group's messages. */
export class MessageMetrics {
  readonly #group: string
  readonly #processors: ProcessorMetrics[] = []
  readonly #duration: Histogram
  readonly #delay: Histogram

  constructor (registry: Registry, group: string) {
    this.#group = group
    readOnDemand(registry, Counter, {
      name: 'messaging_client_consumed_messages_total',
      help: 'Messages that the client delivered to the service',
      labelNames: topicLabels,
      read: () => this.#processors.map(processor => [processor.labels, processor.consumed])
    })
    readOnDemand(registry, Gauge, {
      name: 'messages_in_flight',
      help: 'Messages that were delivered to the service and are not finished',
      labelNames: topicLabels,
      read: () => this.#processors.map(processor => [processor.labels, processor.inFlight])
    })
    readOnDemand(registry, Counter, {
      name: 'messages_handled_total',
      help: 'Finished messages by outcome: processed, ignored (by the handler, or a replay for other groups), duplicate (processed before), dead-lettered, released (uncommitted, will be redelivered)',
      labelNames: [...topicLabels, 'outcome'],
      read: () => this.#values('outcome', processor => processor.outcomes)
    })
    readOnDemand(registry, Counter, {
      name: 'event_id_collisions_total',
      help: 'Duplicates whose content differs from the processed event with the same source and id',
      labelNames: topicLabels,
      read: () => this.#processors.map(processor => [processor.labels, processor.collisions])
    })
    readOnDemand(registry, Counter, {
      name: 'dead_letters_total',
      help: 'Messages that were dead-lettered, by reason',
      labelNames: [...topicLabels, 'error_type'],
      read: () => this.#values('error_type', processor => processor.deadLetters)
    })
    this.#duration = new Histogram({
      registers: [registry],
      name: 'messaging_process_duration_seconds',
      help: 'Time from the start of a message\'s processing to its end, all attempts included; error_type is the reason of its dead letter',
      labelNames: [...topicLabels, 'error_type'],
      buckets: durationBuckets
    })
    this.#delay = new Histogram({
      registers: [registry],
      name: 'event_effect_delay_seconds',
      help: 'Time from the time attribute of an event to its effect; compares the clocks of two machines',
      labelNames: topicLabels,
      buckets: delayBuckets
    })
  }

  /** Returns the counters of one consumer. */
  of (topic: string): ProcessorMetrics {
    const processor = new ProcessorMetrics({ messaging_destination_name: topic, messaging_consumer_group_name: this.#group }, this.#duration, this.#delay)
    this.#processors.push(processor)
    return processor
  }

  #values (label: string, counts: (processor: ProcessorMetrics) => Record<string, number>): Values {
    return this.#processors.flatMap(processor => Object.entries(counts(processor)).map(([value, count]): Values[number] => [{ ...processor.labels, [label]: value }, count]))
  }
}

/** Counters of one consumer: plain numbers and pre-labelled histograms, because they are updated for each message. */
export class ProcessorMetrics {
  consumed = 0
  collisions = 0
  readonly outcomes = { processed: 0, ignored: 0, duplicate: 0, 'dead-lettered': 0, released: 0 }
  readonly deadLetters = { 'not-decodable': 0, 'not-valid': 0, refused: 0, failed: 0, crashed: 0 }
  readonly labels: Record<string, string>
  readonly #durations: Record<Failure['reason'] | 'none', Observer>
  readonly #delay: Observer

  constructor (labels: Record<string, string>, duration: Histogram, delay: Histogram) {
    this.labels = labels
    const durationOf = (reason: string) => duration.labels({ ...labels, error_type: reason })
    this.#durations = {
      none: durationOf(''), 'not-decodable': durationOf('not-decodable'), 'not-valid': durationOf('not-valid'), refused: durationOf('refused'), failed: durationOf('failed'), crashed: durationOf('crashed')
    }
    this.#delay = delay.labels(labels)
  }

  get inFlight (): number {
    return this.consumed - Object.values(this.outcomes).reduce((sum, count) => sum + count)
  }

  /** @param time the event's `time` attribute */
  ended (outcome: Outcome | Failure, sinceMs: number, time: string | undefined): void {
    const seconds = (performance.now() - sinceMs) / 1000
    if (typeof outcome === 'object') {
      this.outcomes['dead-lettered'] += 1
      this.deadLetters[outcome.reason] += 1
      this.#durations[outcome.reason].observe(seconds)
      return
    }
    this.outcomes[outcome] += 1
    this.#durations.none.observe(seconds)
    if (outcome === 'processed' && time !== undefined) this.#delayed(Date.now() - Date.parse(time))
  }

  released (): void {
    this.outcomes.released += 1
  }

  #delayed (ms: number): void {
    if (Number.isNaN(ms)) return // a leap second is a valid time that Node cannot read
    this.#delay.observe(Math.max(0, ms) / 1000)
  }
}
