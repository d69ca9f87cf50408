import { setTimeout } from 'node:timers/promises'
import type rdkafka from 'node-rdkafka'
import { answerOf, type AttachedConsumer } from './attached-consumer.js'
import { KafkaError } from './errors.js'
import { nameOf } from './partitions.js'
import type { Logger } from './types.js'

/** Limit of an answer in ms, doubled with each attempt. A request occupies a thread of libuv's pool until then. */
const [firstLimitMs, longestLimitMs] = [1000, 8000]
const pauseMs = 500
/** Attempts before a warning; requests for offsets are given up then. */
const attempts = 3
/** Timestamps that stand for the end and the beginning of a log. Source: ListOffsets of Kafka's protocol. */
const [latestTime, earliestTime] = [-1, -2]
/** librdkafka's `RD_KAFKA_OFFSET_BEGINNING` and `RD_KAFKA_OFFSET_INVALID`. */
const [beginning, unset] = [-2, -1001]

type Assigned = rdkafka.TopicPartition & { offset?: number }
/** The part of a consumer that answers requests. */
type Requests = Pick<AttachedConsumer, 'metadata'> & { handle: Pick<rdkafka.KafkaConsumer, 'committed' | 'offsetsForTimes'> }

/** Whether a group without commits starts at the end, which is librdkafka's default. */
export function isFromTheEnd (topic: Record<string, unknown>): boolean {
  return [undefined, 'latest', 'largest', 'end'].includes(topic['auto.offset.reset'] as string | undefined)
}

/**
 * Starting points of partitions without a committed offset, with `auto.offset.reset=latest`: the end that the log had when this
 * consumer subscribed, and the beginning of partitions created since. librdkafka alone starts at the end that it finds on
 * assignment, and skips what was written in between; a new group gets its assignment after 3 s.
 */
export class StartingPoints {
  readonly #logger: Logger
  /** Subscriptions whose ends were looked up. */
  readonly #noted = new Set<string>()
  /** End of each partition that existed then; undefined where it is unknown. */
  readonly #ends = new Map<string, number | undefined>()
  /** Topics that may have existed, but were not listed for lack of a right. */
  readonly #hidden = new Set<string>()

  constructor (logger: Logger) {
    this.#logger = logger
  }

  /** Looks up the ends of these topics, each once. To be called before subscribing. Resolves when a broker has answered, or `isOver` returns true. */
  async note (consumer: Requests, topics: string[], isOver: () => boolean): Promise<void> {
    const news = topics.filter(topic => !this.#noted.has(topic))
    if (news.length === 0) return
    const found = await this.#answer(isOver, Infinity, async limitMs => {
      const metadata = await consumer.metadata({ allTopics: true, timeout: limitMs })
      if (metadata.brokers.length === 0) throw new KafkaError('ERR__ALL_BROKERS_DOWN', 'The broker knows no cluster')
      return metadata.topics
    })
    if (found === undefined) return
    const partitions = found.filter(({ name }) => news.some(topic => isMeant(topic, name)))
      .flatMap(({ name, partitions }) => partitions.map(({ id }) => ({ topic: name, partition: id })))
    const ends = await this.#offsets(consumer, partitions, latestTime, isOver)
    for (const partition of partitions) this.#ends.set(nameOf(partition), ends.get(nameOf(partition)))
    for (const topic of news) this.#noted.add(topic)
  }

  /** To be called for a topic that the broker does not list for lack of a right: whether it existed is unknown. */
  refused (topic: string): void {
    this.#hidden.add(topic)
  }

  /** Starting points of the assigned partitions that have neither a committed offset nor a chosen one, as far as they are known. */
  async of (consumer: Requests, partitions: Assigned[], isOver: () => boolean): Promise<rdkafka.TopicPartitionOffset[]> {
    const open = partitions.filter(({ offset = unset }) => offset === unset).map(({ topic, partition }) => ({ topic, partition }))
    if (open.length === 0) return []
    const committed = await this.#answer(isOver, attempts, async limitMs => await answerOf<rdkafka.TopicPartitionOffset[]>(done => consumer.handle.committed(open, limitMs, done)))
    // A refused partition is an error in this list.
    const uncommitted = (committed ?? []).filter(({ topic, offset }) => typeof topic === 'string' && !(offset >= 0) && !this.#hidden.has(topic))
      .filter(at => !this.#ends.has(nameOf(at)) || this.#ends.get(nameOf(at)) !== undefined)
    if (uncommitted.length === 0) return []
    const [lows, highs] = await Promise.all([earliestTime, latestTime].map(async time => await this.#offsets(consumer, uncommitted, time, isOver)))
    return uncommitted.map(({ topic, partition }) => {
      const name = nameOf({ topic, partition })
      const [low, high, end] = [lows?.get(name), highs?.get(name) ?? Infinity, this.#ends.get(name)]
      // A log that ends before the noted end belongs to a recreated topic.
      return { topic, partition, offset: end === undefined || end > high ? low ?? beginning : Math.max(end, low ?? 0) }
    })
  }

  async #offsets (consumer: Requests, partitions: rdkafka.TopicPartition[], time: number, isOver: () => boolean): Promise<Map<string, number>> {
    if (partitions.length === 0) return new Map()
    const asked = partitions.map(({ topic, partition }) => ({ topic, partition, offset: time }))
    const answer = await this.#answer(isOver, attempts, async limitMs => await answerOf<rdkafka.TopicPartitionOffset[]>(done => consumer.handle.offsetsForTimes(asked, limitMs, done)))
    return new Map((answer ?? []).filter(({ topic, offset }) => typeof topic === 'string' && offset >= 0).map(at => [nameOf(at), at.offset]))
  }

  /** Repeats a request until it is answered; undefined after `limit` attempts, or when `isOver` returns true. */
  async #answer<Answer> (isOver: () => boolean, limit: number, ask: (limitMs: number) => Promise<Answer>): Promise<Answer | undefined> {
    for (let attempt = 1; !isOver(); attempt++) {
      try {
        return await ask(Math.min(firstLimitMs * 2 ** (attempt - 1), longestLimitMs))
      } catch (cause) {
        if (attempt === attempts) this.#logger.warn({ err: KafkaError.from(cause) }, 'kafka: the broker does not answer where the topics end, from where a new group is to read')
        if (attempt === limit) return undefined
      }
      await setTimeout(pauseMs)
    }
    return undefined
  }
}

/** Whether a subscription may mean a topic: by name, or by a pattern (`^…`), whose syntax is librdkafka's. */
const isMeant = (subscribed: string, topic: string) => subscribed === topic || subscribed.startsWith('^')
