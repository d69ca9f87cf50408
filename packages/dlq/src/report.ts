import type { Delivery } from '@pair/kafka'
import type { Letter } from './letter.js'
import type { Shipment } from './plan.js'
import { count, type Output } from './output.js'
import { place, printable } from './text.js'

/** Says of each letter what became of it, and at the end how many there were of each kind. */
export class Report {
  failures = 0
  /** Replayed before, and so left alone. */
  before = 0
  /** No dead letters, and so left alone. */
  foreign = 0
  #replayed = 0
  #messages = 0
  readonly #output: Output
  readonly #style: { json: boolean, dryRun: boolean }

  constructor (output: Output, style: { json: boolean, dryRun: boolean }) {
    this.#output = output
    this.#style = style
  }

  /**
   * @param sent the letter whose bytes were sent for all of the shipment
   * @param to where the broker has stored it; nothing in a dry run
   */
  async replayed ({ letters }: Shipment, sent: Letter, to?: Delivery): Promise<void> {
    this.#messages++
    const withoutHeaders = sent.cut === 'headers'
    const { droppedHeaders } = sent
    const result = `${this.#style.dryRun ? 'would be ' : ''}replayed`
    for (const { id, isAgain: again } of letters) {
      this.#replayed++
      const text = `${id} ${result} to ${to ? place(to) : sent.origin.topic}` +
        `${again ? ', once more' : ''}${withoutHeaders ? ', without its headers, which were cut' : ''}` +
        (droppedHeaders === 0 ? '' : `, without ${count(droppedHeaders, 'header')} of it that ${droppedHeaders === 1 ? 'is' : 'are'} not text`)
      await this.#line({ letter: id, result, to: to ?? { topic: sent.origin.topic }, again, withoutHeaders, droppedHeaders }, text)
    }
  }

  async failed (letter: string, error: string): Promise<void> {
    this.failures++
    await this.#line({ letter, result: 'failed', error }, `${letter} failed: ${printable(error)}`)
  }

  summary (): void {
    const together = this.#messages === this.#replayed ? '' : ` in ${count(this.#messages, 'message')}`
    const parts = [`${count(this.#replayed, 'dead letter')} ${this.#style.dryRun ? 'would be ' : ''}replayed${together}`, `${this.failures} failed`]
    if (this.before > 0) parts.push(`${this.before} replayed before`)
    if (this.foreign > 0) parts.push(`${count(this.foreign, 'record')} left alone, no dead letter`)
    this.#output.note(parts.join(', '))
  }

  async #line (json: object, text: string): Promise<void> {
    await this.#output.line(this.#style.json ? JSON.stringify(json) : text)
  }
}
