import { Producer, provisionTopics, type ClientOptions, type Delivery, type KafkaError } from 'shared-kafka'
import { originalMessage, type Letter } from './letter.js'
import { mark, marksConfig, marksTopic } from './marks.js'
import { exitCodes, OperatorError } from './errors.js'
import { count } from './output.js'
import type { Report } from './report.js'
import type { Source } from './source.js'

/** What is on its way at once: as many letters, or as many bytes. */
const batchLetters = 500
const batchBytes = 8 * 1024 * 1024
const provisionLimitMs = 10_000

/** Sends letters in batches, and remembers those that the broker has acknowledged before it reports them. */
export class Sender {
  readonly #topic: string
  readonly #report: Report
  readonly #producer: Producer
  #batch: Letter[] = []
  #bytes = 0

  static async open ({ topics, topic }: Source, options: ClientOptions, report: Report): Promise<Sender> {
    if (!topics.has(marksTopic(topic))) {
      const declaration = { name: marksTopic(topic), partitions: 1, config: marksConfig }
      await provisionTopics(options, [declaration], { signal: AbortSignal.timeout(provisionLimitMs) })
    }
    return new Sender(topic, options, report)
  }

  private constructor (topic: string, options: ClientOptions, report: Report) {
    this.#topic = topic
    this.#report = report
    // The broker's limit counts compressed bytes: what was taken compressed is taken again.
    this.#producer = new Producer({ 'message.max.bytes': 1_000_000_000, 'compression.type': 'gzip', ...options })
  }

  async add (letter: Letter): Promise<void> {
    this.#batch.push(letter)
    this.#bytes += letter.record.value?.length ?? 0
    if (this.#batch.length >= batchLetters || this.#bytes >= batchBytes) await this.flush()
  }

  /** Sends what was added. @throws KafkaError where the broker went away, after it has reported what became of each letter */
  async flush (): Promise<void> {
    const batch = this.#batch
    this.#batch = []
    this.#bytes = 0
    // All at once, in the order they were read: so the letters of one key keep theirs.
    const results = await Promise.allSettled(batch.map(async letter => await this.#producer.send({ messages: [originalMessage(letter)] })))
    const sent: Array<{ letter: Letter, to: Delivery }> = []
    let away: KafkaError | undefined
    for (const [index, letter] of batch.entries()) {
      const result = results[index]
      if (result?.status === 'fulfilled') sent.push(...result.value.map(to => ({ letter, to })))
      if (result?.status === 'rejected') {
        const error: KafkaError = result.reason
        if (error.retriable) away = error
        await this.#report.failed(letter.id, error.message)
      }
    }
    await this.#remember(sent)
    for (const { letter, to } of sent) await this.#report.replayed(letter, to)
    if (away) throw away
  }

  async close (): Promise<void> {
    await this.#producer.close()
  }

  async #remember (sent: Array<{ letter: Letter, to: Delivery }>): Promise<void> {
    try {
      await this.#producer.send({ messages: sent.map(({ letter, to }) => mark(this.#topic, letter, to)) })
    } catch (cause) {
      const from = sent[0]?.letter.id ?? ''
      throw new OperatorError(
        `${count(sent.length, 'letter')} from ${from} on replayed, but that cannot be remembered in ${marksTopic(this.#topic)} (${(cause as Error).message}): they would be replayed again`,
        exitCodes.kafka, { cause })
    }
  }
}
