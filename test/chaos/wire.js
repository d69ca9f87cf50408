import rdkafka from 'node-rdkafka'
import { deadLetterTopic, userRegister } from 'shared-topics'

const callMs = 10_000
const group = 'profile-service'

/** @typedef {{ topic: string, partition: number }} Place */

/** What is really on the broker, seen by librdkafka itself. */
export class Wire {
  /** How often each origin (partition@offset) was dead-lettered. */
  letters = /** @type {Map<string, number>} */ (new Map())
  /** Told of each dead letter that is counted. */
  onLetter = /** @type {(place: string, letter: rdkafka.Message) => void} */ _place => {}
  #handle
  /** Ends of the topic's partitions before the campaign: what stands before them is none of ours. */
  #starts = /** @type {Map<number, number>} */ (new Map())
  #reading = /** @type {Set<number>} */ (new Set())

  /** @param {string} brokers */
  constructor (brokers) {
    this.#handle = new rdkafka.KafkaConsumer({
      'metadata.broker.list': brokers, 'group.id': group, 'enable.auto.commit': false, 'fetch.wait.max.ms': 10, 'allow.auto.create.topics': false
    }, { 'auto.offset.reset': 'earliest' })
    this.#handle.on('event.error', () => {})
  }

  async open () {
    await new Promise((resolve, reject) => this.#handle.connect({}, error => error ? reject(new Error(error.message)) : resolve(undefined)))
    this.#handle.setDefaultConsumeTimeout(100)
    for (const place of await this.#places(userRegister.name)) this.#starts.set(place.partition, await this.#end(place))
  }

  /** How many messages of the topic the group has not committed. */
  async lag () {
    let lag = 0
    for (const place of await this.#places(userRegister.name)) {
      const [end, [committed]] = [await this.#end(place), await this.#call(done => this.#handle.committed([place], callMs, done))]
      lag += end - Math.max(committed?.offset ?? 0, 0)
    }
    return lag
  }

  /** Reads the dead letters that have come meanwhile. */
  async readLetters () {
    const places = await this.#places(deadLetterTopic(userRegister.name))
    const added = places.filter(({ partition }) => !this.#reading.has(partition))
    if (added.length > 0) this.#handle.assign(places.map(place => ({ ...place, offset: 0 })))
    if (added.length > 0) this.letters.clear()
    for (const { partition } of added) this.#reading.add(partition)
    for (let empty = 0; empty < 5;) {
      /** @type {rdkafka.Message[]} */
      const records = await new Promise(resolve => this.#handle.consume(100, (_error, found) => resolve(found ?? [])))
      empty = records.length === 0 ? empty + 1 : 0
      for (const record of records) this.#count(record)
    }
  }

  async close () {
    await new Promise(resolve => this.#handle.disconnect(() => resolve(undefined)))
  }

  /** @param {rdkafka.Message} letter */
  #count (letter) {
    const origin = Object.assign({}, ...letter.headers ?? [])
    const [partition, offset] = [Number(origin['dlq.partition']), Number(origin['dlq.offset'])]
    if (offset < (this.#starts.get(partition) ?? 0)) return
    const place = `${partition}@${offset}`
    this.letters.set(place, (this.letters.get(place) ?? 0) + 1)
    this.onLetter(place, letter)
  }

  /**
   * @param {string} topic
   * @returns {Promise<Place[]>} none where it does not exist
   */
  async #places (topic) {
    // Of all topics: asking for one by name would create it.
    /** @type {rdkafka.Metadata | undefined} */
    const metadata = await this.#call(done => this.#handle.getMetadata(/** @type {any} */ ({ allTopics: true, timeout: callMs }), done))
    const found = metadata?.topics.find(({ name }) => name === topic)
    return found?.partitions.map(({ id }) => ({ topic, partition: id })) ?? []
  }

  /** @param {Place} place */
  async #end ({ topic, partition }) {
    const marks = await this.#call(done => this.#handle.queryWatermarkOffsets(topic, partition, callMs, done))
    return marks?.highOffset ?? 0
  }

  /**
   * @template Answer
   * @param {(done: (error: rdkafka.LibrdKafkaError | null, answer?: Answer) => void) => unknown} call
   * @returns {Promise<Answer | undefined>}
   */
  #call (call) {
    return new Promise((resolve, reject) => call((error, answer) => error ? reject(new Error(error.message)) : resolve(answer)))
  }
}
