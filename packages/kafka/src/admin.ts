import rdkafka from 'node-rdkafka'
import { answerOf } from './attached-consumer.js'
import type { ClientOptions } from './client-options.js'
import { connect, create, withTimeout } from './handle.js'
import { configure } from './options.js'

/** Limit of one call in ms: a call occupies a thread of libuv's pool, for which a process that ends waits. */
const answerLimitMs = 5000

export interface ClusterMetadata {
  brokers: Map<number, { host: string, port: number }>
  topics: Map<string, { partitions: Array<{ leader: number, replicas: number[], isr: number[] }>, partitionsCount: number }>
}

/** The methods of @platformatic/kafka's Admin that concern topics, for set-ups and tests. */
export class Admin {
  readonly #properties: object
  readonly #limitMs: number

  /**
   * @param options as for a client
   * @param limitMs limit of the broker's answer
   * @throws KafkaError ERR__INVALID_ARG where no broker is named
   */
  constructor (options: ClientOptions, limitMs = answerLimitMs) {
    this.#properties = configure(options, {}).global
    this.#limitMs = limitMs
  }

  /**
   * Creates topics; omitted parameters have the broker's defaults. Resolves when all are created; rejects with a KafkaError
   * if one is not: ERR_TOPIC_ALREADY_EXISTS, ERR_POLICY_VIOLATION, …
   */
  async createTopics ({ topics, partitions = -1, replicas = -1, configs = [] }: { topics: string[], partitions?: number, replicas?: number, configs?: Array<{ name: string, value: string }> }): Promise<void> {
    const config = Object.fromEntries(configs.map(({ name, value }) => [name, value]))
    await this.#each(topics, (client, topic, done) => client.createTopic({ topic, num_partitions: partitions, replication_factor: replicas, config }, this.#limitMs, done))
  }

  /** Deletes topics and their records. Rejects with a KafkaError if one is not deleted: ERR_UNKNOWN_TOPIC_OR_PART, … */
  async deleteTopics ({ topics }: { topics: string[] }): Promise<void> {
    await this.#each(topics, (client, topic, done) => client.deleteTopic(topic, this.#limitMs, done))
  }

  /** Names of all topics, without Kafka's internal ones (two leading underscores) unless `includeInternals` is true. */
  async listTopics ({ includeInternals = false }: { includeInternals?: boolean } = {}): Promise<string[]> {
    const { topics } = await this.metadata()
    return [...topics.keys()].filter(name => includeInternals || !name.startsWith('__')).sort()
  }

  /**
   * Brokers and topics. A missing topic is left out; the broker may create a topic that `topics` names.
   *
   * @param topics names to request; all topics by default
   */
  async metadata ({ topics }: { topics?: string[] } = {}): Promise<ClusterMetadata> {
    const handle = create(() => new rdkafka.Producer({ ...this.#properties }))
    const getMetadata = handle.getMetadata.bind(handle) // connecting replaces it
    await connect(handle)
    const ask = (about: { allTopics: true } | { topic: string }) => answerOf<rdkafka.Metadata>(done => getMetadata({ ...about, timeout: this.#limitMs } as object, done))
    try {
      const answers = topics === undefined ? [await ask({ allTopics: true })] : await Promise.all(topics.map(topic => ask({ topic })))
      return {
        brokers: new Map(answers.flatMap(({ brokers }) => brokers).map(({ id, host, port }) => [id, { host, port }])),
        topics: new Map(answers.flatMap(answer => answer.topics).filter(({ partitions }) => partitions.length > 0).map(({ name, partitions }) => [
          name, { partitions: partitions.map(({ leader, replicas, isrs }) => ({ leader, replicas, isr: isrs })), partitionsCount: partitions.length }
        ]))
      }
    } finally {
      await withTimeout(this.#limitMs, done => handle.disconnect(0, done))
    }
  }

  /** Does nothing: each call has its own handle. */
  async close (): Promise<void> {}

  async #each (topics: string[], call: (client: rdkafka.IAdminClient, topic: string, done: (error: rdkafka.LibrdKafkaError) => void) => void): Promise<void> {
    await Promise.all(topics.map(async topic => {
      // One handle for each call: calls of one handle run one after the other, and its end waits for them on the event loop.
      const client = create(() => rdkafka.AdminClient.create({ ...this.#properties }))
      try {
        await answerOf<void>(done => call(client, topic, error => done(error, undefined)))
      } finally {
        client.disconnect()
      }
    }))
  }
}
