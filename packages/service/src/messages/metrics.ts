import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Outcome } from '../inbox/inbox.js'
import type { Failure } from './dead-letters.js'
import { delayBuckets, durationBuckets } from '../metrics/buckets.js'
import { readOnDemand, type Values } from '../metrics/read-on-demand.js'

interface Observer { observe: (seconds: number) => void }

const toTopic = ['messaging_destination_name', 'messaging_consumer_group_name']

/** What became of the messages of a consumer group. */
export class MessageMetrics {
  readonly #group: string
  readonly #processors: ProcessorMetrics[] = []
  readonly #duration: Histogram
  readonly #delay: Histogram

  constructor (registry: Registry, group: string) {
    this.#group = group
    readOnDemand(registry, Counter, {
      name: 'messaging_client_consumed_messages_total',
      help: 'Messages that were handed to the service',
      labelNames: toTopic,
      read: () => this.#processors.map(processor => [processor.labels, processor.consumed])
    })
    readOnDemand(registry, Gauge, {
      name: 'messages_in_flight',
      help: 'Messages that were handed to the service and have no end yet',
      labelNames: toTopic,
      read: () => this.#processors.map(processor => [processor.labels, processor.inFlight])
    })
    readOnDemand(registry, Counter, {
      name: 'messages_handled_total',
      help: 'Ends of messages: processed, ignored (by the handler, or a replay for other groups), duplicate (processed before), dead-lettered, released (given back uncommitted)',
      labelNames: [...toTopic, 'outcome'],
      read: () => this.#values('outcome', processor => processor.outcomes)
    })
    readOnDemand(registry, Counter, {
      name: 'event_id_collisions_total',
      help: 'Duplicates that say something else than the event with their source and id that was processed before',
      labelNames: toTopic,
      read: () => this.#processors.map(processor => [processor.labels, processor.collisions])
    })
    readOnDemand(registry, Counter, {
      name: 'dead_letters_total',
      help: 'Messages that were dead-lettered, by reason',
      labelNames: [...toTopic, 'error_type'],
      read: () => this.#values('error_type', processor => processor.deadLetters)
    })
    this.#duration = new Histogram({
      registers: [registry],
      name: 'messaging_process_duration_seconds',
      help: 'From the turn of a message to its end, with all attempts; error_type is the reason of its dead letter',
      labelNames: [...toTopic, 'error_type'],
      buckets: durationBuckets
    })
    this.#delay = new Histogram({
      registers: [registry],
      name: 'event_effect_delay_seconds',
      help: 'From the time in an event to its effect; by the clocks of two machines',
      labelNames: toTopic,
      buckets: delayBuckets
    })
  }

  /** What a consumer tells of its messages. */
  of (topic: string): ProcessorMetrics {
    const processor = new ProcessorMetrics({ messaging_destination_name: topic, messaging_consumer_group_name: this.#group }, this.#duration, this.#delay)
    this.#processors.push(processor)
    return processor
  }

  #values (label: string, counts: (processor: ProcessorMetrics) => Record<string, number>): Values {
    return this.#processors.flatMap(processor => Object.entries(counts(processor)).map(([value, count]): Values[number] => [{ ...processor.labels, [label]: value }, count]))
  }
}

/** Plain numbers, and histograms that know their labels: this is called for each message. */
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

  /** @param time of the event, as it stands there */
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
