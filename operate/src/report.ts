import type { Delivery } from 'shared-kafka'
import type { Letter } from './letter.js'
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
  readonly #output: Output
  readonly #style: { json: boolean, dryRun: boolean, isAgain: (letter: Letter) => boolean }

  constructor (output: Output, style: { json: boolean, dryRun: boolean, isAgain: (letter: Letter) => boolean }) {
    this.#output = output
    this.#style = style
  }

  /** @param to where the broker has stored it; nothing in a dry run */
  async replayed (letter: Letter, to?: Delivery): Promise<void> {
    this.#replayed++
    const again = this.#style.isAgain(letter)
    const withoutHeaders = letter.cut === 'headers'
    const { droppedHeaders } = letter
    const result = `${this.#style.dryRun ? 'would be ' : ''}replayed`
    const text = `${letter.id} ${result} to ${to ? place(to) : letter.origin.topic}` +
      `${again ? ', once more' : ''}${withoutHeaders ? ', without its headers, which were cut' : ''}` +
      (droppedHeaders === 0 ? '' : `, without ${count(droppedHeaders, 'header')} of it that ${droppedHeaders === 1 ? 'is' : 'are'} not text`)
    await this.#line({ letter: letter.id, result, to: to ?? { topic: letter.origin.topic }, again, withoutHeaders, droppedHeaders }, text)
  }

  async failed (letter: string, error: string): Promise<void> {
    this.failures++
    await this.#line({ letter, result: 'failed', error }, `${letter} failed: ${printable(error)}`)
  }

  summary (): void {
    const parts = [`${count(this.#replayed, 'dead letter')} ${this.#style.dryRun ? 'would be ' : ''}replayed`, `${this.failures} failed`]
    if (this.before > 0) parts.push(`${this.before} replayed before`)
    if (this.foreign > 0) parts.push(`${count(this.foreign, 'record')} left alone, no dead letter`)
    this.#output.note(parts.join(', '))
  }

  async #line (json: object, text: string): Promise<void> {
    await this.#output.line(this.#style.json ? JSON.stringify(json) : text)
  }
}
