import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { durationBuckets } from '../metrics/buckets.js'
import { readOnDemand, type Values } from '../metrics/read-on-demand.js'

const topicLabel = 'messaging_destination_name'

export type AskOutcome = 'answered' | 'refused' | 'timeout' | 'not-sent' | 'overload' | 'closed' | 'aborted'
export type DroppedReply = 'late' | 'foreign' | 'unreadable'
export type AnswerOutcome = 'answered' | 'refused' | 'expired'

interface Counts<Name extends string> { topic: string, counts: Record<Name, number> }

/** Metrics of asks, replies and answered requests. All counters are initialised to 0, so that rate() sees the first increment. */
export class RequestReplyMetrics {
  readonly #asks: Array<Counts<AskOutcome> & { pending: () => number }> = []
  readonly #replies: Array<Counts<DroppedReply>> = []
  readonly #answers: Array<Counts<AnswerOutcome>> = []
  readonly #duration: Histogram

  constructor (registry: Registry) {
    readOnDemand(registry, Counter, {
      name: 'asks_total',
      help: 'Finished asks by outcome: answered, refused by the answerer, timeout, not-sent, overload (too many pending), closed (the service is stopping), aborted by the asker',
      labelNames: [topicLabel, 'outcome'],
      read: () => values(this.#asks, 'outcome')
    })
    readOnDemand(registry, Gauge, {
      name: 'asks_pending',
      help: 'Asks that wait for their reply',
      labelNames: [topicLabel],
      read: () => this.#asks.map(({ topic, pending }) => [{ [topicLabel]: topic }, pending()])
    })
    readOnDemand(registry, Counter, {
      name: 'replies_dropped_total',
      help: 'Dropped replies by reason: late (after the timeout), foreign (for another instance), or unreadable',
      labelNames: [topicLabel, 'reason'],
      read: () => values(this.#replies, 'reason')
    })
    readOnDemand(registry, Counter, {
      name: 'requests_answered_total',
      help: 'Requests by outcome: answered, refused with an error reply, or expired before the answer',
      labelNames: [topicLabel, 'outcome'],
      read: () => values(this.#answers, 'outcome')
    })
    this.#duration = new Histogram({
      registers: [registry],
      name: 'ask_duration_seconds',
      help: 'Time from an ask to its reply; answered asks only',
      labelNames: [topicLabel],
      buckets: durationBuckets
    })
  }

  /** @param topic name of the request topic on the broker @param replies name of the reply topic on the broker */
  asksOf (topic: string, replies: string, pending: () => number) {
    const asks = { topic, pending, counts: { answered: 0, refused: 0, timeout: 0, 'not-sent': 0, overload: 0, closed: 0, aborted: 0 } }
    const dropped = { topic: replies, counts: { late: 0, foreign: 0, unreadable: 0 } }
    this.#asks.push(asks)
    this.#replies.push(dropped)
    return { asks: asks.counts, dropped: dropped.counts, duration: this.#duration.labels({ [topicLabel]: topic }) }
  }

  answersOf (topic: string): Record<AnswerOutcome, number> {
    const answers = { topic, counts: { answered: 0, refused: 0, expired: 0 } }
    this.#answers.push(answers)
    return answers.counts
  }
}

function values (all: Array<Counts<string>>, label: string): Values {
  return all.flatMap(({ topic, counts }) => Object.entries(counts).map(([name, count]): Values[number] => [{ [topicLabel]: topic, [label]: name }, count]))
}
