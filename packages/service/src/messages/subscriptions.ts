import type {} from '@pair/kafka/fastify'
import type { FastifyInstance } from 'fastify'

type Kafka = FastifyInstance['kafka']

const isPattern = (topic: string) => topic.startsWith('^')

/** What a service subscribes and listens to, in however many files. */
export class Subscriptions {
  readonly #consumer: Kafka['consumer']
  readonly #subscribed = new Set<string>()

  /** @param kafka the plugin's, whose own `subscribe` keeps the topics of its last call only; from here on they add up */
  constructor (kafka: Kafka) {
    const { consumer, subscribe } = kafka
    this.#consumer = consumer
    kafka.subscribe = topics => {
      for (const topic of [topics].flat()) this.#subscribed.add(topic)
      return subscribe([...this.#subscribed])
    }
    if (consumer) consumer.subscribe = kafka.subscribe
  }

  hears (topic: string): boolean {
    return (this.#consumer?.listenerCount(topic) ?? 0) > 0
  }

  /** @throws one Error that names the topics that are subscribed and have no listener, or the other way round */
  check (): void {
    const subscribed = [...this.#subscribed]
    const unheard = subscribed.filter(topic => !isPattern(topic) && !this.hears(topic))
    if (unheard.length > 0) throw new Error(`subscribed, but without a listener: ${unheard.join(', ')}`)
    const heard = this.#consumer?.eventNames().map(String).filter(name => name !== 'error') ?? []
    const missing = subscribed.some(isPattern) ? [] : heard.filter(topic => !this.#subscribed.has(topic))
    if (missing.length > 0) throw new Error(`with a listener, but not subscribed: ${missing.join(', ')}`)
  }
}
