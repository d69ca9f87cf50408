import type {} from '@pair/kafka/fastify'
import type { FastifyInstance } from 'fastify'

type Kafka = FastifyInstance['kafka']

const isPattern = (topic: string) => topic.startsWith('^')

/** The subscriptions and listeners of a service, collected over several calls. */
export class Subscriptions {
  readonly #consumer: Kafka['consumer']
  readonly #subscribed = new Set<string>()

  /** @param kafka the decorator of @fastify/kafka. Its `subscribe` keeps only the topics of the last call; here it is replaced so that they add up. */
  constructor (kafka: Kafka) {
    const { consumer, subscribe } = kafka
    this.#consumer = consumer
    kafka.subscribe = topics => {
      for (const topic of [topics].flat()) this.#subscribed.add(topic)
      return subscribe([...this.#subscribed])
    }
    if (consumer) consumer.subscribe = kafka.subscribe
  }

  hasListener (topic: string): boolean {
    return (this.#consumer?.listenerCount(topic) ?? 0) > 0
  }

  /** @throws Error that names the topics that are subscribed without a listener, or have a listener without a subscription */
  check (): void {
    const subscribed = [...this.#subscribed]
    const withoutListener = subscribed.filter(topic => !isPattern(topic) && !this.hasListener(topic))
    if (withoutListener.length > 0) throw new Error(`subscribed, but without a listener: ${withoutListener.join(', ')}`)
    const withListener = this.#consumer?.eventNames().map(String).filter(name => name !== 'error') ?? []
    const missing = subscribed.some(isPattern) ? [] : withListener.filter(topic => !this.#subscribed.has(topic))
    if (missing.length > 0) throw new Error(`with a listener, but not subscribed: ${missing.join(', ')}`)
  }
}
