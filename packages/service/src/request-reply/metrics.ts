import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { durationBuckets } from '../metrics/buckets.js'
import { readOnDemand, type Values } from '../metrics/read-on-demand.js'

const toTopic = 'messaging_destination_name'

export type AskOutcome = 'answered' | 'refused' | 'timeout' | 'not-sent' | 'overload' | 'closed' | 'aborted'
export type DroppedReply = 'late' | 'foreign' | 'unreadable'
export type AnswerOutcome = 'answered' | 'refused' | 'expired'

interface Counts<Name extends string> { topic: string, counts: Record<Name, number> }

/** What becomes of asks, of replies and of requests. All counts are there from the start, at 0, so that rate() sees the first of a kind. */
export class RequestReplyMetrics {
  readonly #asks: Array<Counts<AskOutcome> & { pending: () => number }> = []
  readonly #replies: Array<Counts<DroppedReply>> = []
  readonly #answers: Array<Counts<AnswerOutcome>> = []
  readonly #duration: Histogram

  constructor (registry: Registry) {
    readOnDemand(registry, Counter, {
      name: 'asks_total',
      help: 'Asks that have ended: answered, refused by the answerer, timeout, not-sent, overload (too many wait), closed (the service ends), aborted by who has asked',
      labelNames: [toTopic, 'outcome'],
      read: () => values(this.#asks, 'outcome')
    })
    readOnDemand(registry, Gauge, {
      name: 'asks_pending',
      help: 'Asks that wait for their reply',
      labelNames: [toTopic],
      read: () => this.#asks.map(({ topic, pending }) => [{ [toTopic]: topic }, pending()])
    })
    readOnDemand(registry, Counter, {
      name: 'replies_dropped_total',
      help: 'Replies that nobody here waits for: late, of another instance (foreign), or unreadable',
      labelNames: [toTopic, 'reason'],
      read: () => values(this.#replies, 'reason')
    })
    readOnDemand(registry, Counter, {
      name: 'requests_answered_total',
      help: 'Requests that were answered, refused with an error reply, or expired before',
      labelNames: [toTopic, 'outcome'],
      read: () => values(this.#answers, 'outcome')
    })
    this.#duration = new Histogram({
      registers: [registry],
      name: 'ask_duration_seconds',
      help: 'From an ask to its reply, for those that were answered',
      labelNames: [toTopic],
      buckets: durationBuckets
    })
  }

  /** @param topic of the requests, as the broker knows it @param replies of the replies */
  asksOf (topic: string, replies: string, pending: () => number) {
    const asks = { topic, pending, counts: { answered: 0, refused: 0, timeout: 0, 'not-sent': 0, overload: 0, closed: 0, aborted: 0 } }
    const dropped = { topic: replies, counts: { late: 0, foreign: 0, unreadable: 0 } }
    this.#asks.push(asks)
    this.#replies.push(dropped)
    return { asks: asks.counts, dropped: dropped.counts, duration: this.#duration.labels({ [toTopic]: topic }) }
  }

  answersOf (topic: string): Record<AnswerOutcome, number> {
    const answers = { topic, counts: { answered: 0, refused: 0, expired: 0 } }
    this.#answers.push(answers)
    return answers.counts
  }
}

function values (all: Array<Counts<string>>, label: string): Values {
  return all.flatMap(({ topic, counts }) => Object.entries(counts).map(([name, count]): Values[number] => [{ [toTopic]: topic, [label]: name }, count]))
}
