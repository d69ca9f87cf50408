import { Producer, type ClientOptions, type Delivery, type KafkaError } from '@pair/kafka'
import { originalMessage, type DeadLetter } from './dead-letter.js'
import { operatorLogTopic, provisionOperatorLog, replayEntry } from './operator-log.js'
import { exitCodes, OperatorError } from './errors.js'
import { count } from './output.js'
import { groupsOf, type Shipment } from './plan.js'
import type { Report } from './report.js'
import type { Source } from './source.js'

interface Item { letter: DeadLetter, shipment: Shipment }

/** What is on its way at once: as many messages, or as many bytes. */
const batchMessages = 500
const batchBytes = 8 * 1024 * 1024

/** Sends letters in batches, and remembers those that the broker has acknowledged before it reports them. */
export class Sender {
  readonly #topic: string
  readonly #report: Report
  readonly #producer: Producer
  #batch: Item[] = []
  #bytes = 0

  static async open (source: Source, options: ClientOptions, report: Report): Promise<Sender> {
    await provisionOperatorLog(source, options)
    return new Sender(source.topic, options, report)
  }

  private constructor (topic: string, options: ClientOptions, report: Report) {
    this.#topic = topic
    this.#report = report
    // The broker's limit counts compressed bytes: what was taken compressed is taken again.
    this.#producer = new Producer({ 'message.max.bytes': 1_000_000_000, 'compression.type': 'gzip', ...options })
  }

  /** @param letter the one of the shipment whose bytes are sent */
  async add (letter: DeadLetter, shipment: Shipment): Promise<void> {
    this.#batch.push({ letter, shipment })
    this.#bytes += letter.record.value?.length ?? 0
    if (this.#batch.length >= batchMessages || this.#bytes >= batchBytes) await this.flush()
  }

  /** Sends what was added. @throws KafkaError where the broker went away, after it has reported what became of each letter */
  async flush (): Promise<void> {
    const batch = this.#batch
    this.#batch = []
    this.#bytes = 0
    // All at once, in the order they were read: so the letters of one key keep theirs.
    const results = await Promise.allSettled(batch.map(async ({ letter, shipment }) => await this.#producer.send({ messages: [originalMessage(letter, groupsOf(shipment))] })))
    const sent: Array<Item & { to: Delivery }> = []
    let away: KafkaError | undefined
    for (const [index, item] of batch.entries()) {
      const result = results[index]
      if (result?.status === 'fulfilled') sent.push(...result.value.map(to => ({ ...item, to })))
      if (result?.status === 'rejected') {
        const error: KafkaError = result.reason
        if (error.retriable) away = error
        for (const { id } of item.shipment.letters) await this.#report.failed(id, error.message)
      }
    }
    await this.#remember(sent)
    for (const { shipment, letter, to } of sent) await this.#report.replayed(shipment, letter, to)
    if (away) throw away
  }

  async close (): Promise<void> {
    await this.#producer.close()
  }

  async #remember (sent: Array<Item & { to: Delivery }>): Promise<void> {
    const entries = sent.flatMap(({ letter: { origin }, shipment, to }) => shipment.letters.map(({ place }) => replayEntry(this.#topic, { place, origin }, to)))
    try {
      await this.#producer.send({ messages: entries })
    } catch (cause) {
      const from = sent[0]?.letter.id ?? ''
      throw new OperatorError(
        `${count(entries.length, 'letter')} from ${from} on replayed, but that cannot be remembered in ${operatorLogTopic(this.#topic)} (${(cause as Error).message}): they would be replayed again`,
        exitCodes.kafka, { cause })
    }
  }
}
