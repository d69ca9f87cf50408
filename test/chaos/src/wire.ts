import rdkafka from 'node-rdkafka'
import type { Connection } from '@pair/kafka'
import { deadLetterTopic, kafkaName } from '@pair/events'
import { userRegister } from '@pair/shared-topics'

const callMs = 10_000

interface Place { topic: string, partition: number }

/** What is really on the broker, seen by librdkafka itself. */
export class Wire {
  /** How often each origin (partition@offset) was dead-lettered. */
  readonly letters = new Map<string, number>()
  /** Told of each dead letter that is counted. */
  onLetter: (place: string, letter: rdkafka.Message) => void = () => {}
  readonly #handle: rdkafka.KafkaConsumer
  readonly #topic: string
  /** Ends of the topic's partitions before the campaign: what stands before them is none of ours. */
  readonly #starts = new Map<number, number>()
  readonly #reading = new Set<number>()

  /** @param prefix before every name */
  constructor (kafka: Connection, prefix = '') {
    this.#topic = kafkaName(prefix, userRegister.name)
    this.#handle = new rdkafka.KafkaConsumer({
      ...kafka, 'group.id': kafkaName(prefix, 'profile-service'), 'enable.auto.commit': false, 'fetch.wait.max.ms': 10, 'allow.auto.create.topics': false
    }, { 'auto.offset.reset': 'earliest' })
    this.#handle.on('event.error', () => {})
  }

  async open () {
    await new Promise<void>((resolve, reject) => this.#handle.connect({}, error => error ? reject(new Error(error.message)) : resolve()))
    this.#handle.setDefaultConsumeTimeout(100)
    for (const place of await this.#places(this.#topic)) this.#starts.set(place.partition, await this.#end(place))
  }

  /** How many messages of the topic the group has not committed. */
  async lag () {
    let lag = 0
    for (const place of await this.#places(this.#topic)) {
      const [end, [committed]] = [await this.#end(place), await this.#call<rdkafka.TopicPartitionOffset[]>(done => this.#handle.committed([place], callMs, done)) ?? []]
      lag += end - Math.max(committed?.offset ?? 0, 0)
    }
    return lag
  }

  /** Reads the dead letters that have come meanwhile. */
  async readLetters () {
    const places = await this.#places(deadLetterTopic(this.#topic))
    const added = places.filter(({ partition }) => !this.#reading.has(partition))
    if (added.length > 0) this.#handle.assign(places.map(place => ({ ...place, offset: 0 })))
    if (added.length > 0) this.letters.clear()
    for (const { partition } of added) this.#reading.add(partition)
    for (let empty = 0; empty < 5;) {
      const records = await new Promise<rdkafka.Message[]>(resolve => this.#handle.consume(100, (_error, found) => resolve(found ?? [])))
      empty = records.length === 0 ? empty + 1 : 0
      for (const record of records) this.#count(record)
    }
  }

  async close () {
    await new Promise<void>(resolve => this.#handle.disconnect(() => resolve()))
  }

  #count (letter: rdkafka.Message) {
    const origin = Object.assign({}, ...letter.headers ?? [])
    const [partition, offset] = [Number(origin['dlq.partition']), Number(origin['dlq.offset'])]
    if (offset < (this.#starts.get(partition) ?? 0)) return
    const place = `${partition}@${offset}`
    this.letters.set(place, (this.letters.get(place) ?? 0) + 1)
    this.onLetter(place, letter)
  }

  /** @returns none where it does not exist */
  async #places (topic: string): Promise<Place[]> {
    // Of all topics: asking for one by name would create it.
    const ofAll = { allTopics: true, timeout: callMs } as rdkafka.MetadataOptions
    const metadata = await this.#call<rdkafka.Metadata>(done => this.#handle.getMetadata(ofAll, done))
    const found = metadata?.topics.find(({ name }) => name === topic)
    return found?.partitions.map(({ id }) => ({ topic, partition: id })) ?? []
  }

  async #end ({ topic, partition }: Place): Promise<number> {
    const marks = await this.#call<rdkafka.WatermarkOffsets>(done => this.#handle.queryWatermarkOffsets(topic, partition, callMs, done))
    return marks?.highOffset ?? 0
  }

  #call<Answer> (call: (done: (error: rdkafka.LibrdKafkaError | null, answer?: Answer) => void) => unknown): Promise<Answer | undefined> {
    return new Promise((resolve, reject) => call((error, answer) => error ? reject(new Error(error.message)) : resolve(answer)))
  }
}
