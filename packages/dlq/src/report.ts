import type { Delivery } from '@pair/kafka'
import type { DeadLetter } from './dead-letter.js'
import { count, type Output } from './output.js'
import type { Shipment } from './plan.js'
import type { Discard, State } from './state.js'
import { oneLineJson, place, printable } from './text.js'

interface Style { command: 'replay' | 'discard', json: boolean, dryRun: boolean }

/** Prints what became of each letter, and at the end how many there were of each kind. */
export class Report {
  failures = 0
  readonly #leftAlone = { replayed: 0, discarded: 0, foreign: 0 }
  #done = 0
  #messages = 0
  readonly #output: Output
  readonly #isJson: boolean
  readonly #style: Style
  /** `replayed`, or in a dry run `would be replayed`. */
  readonly #result: string

  constructor (output: Output, style: Style) {
    this.#output = output
    this.#isJson = style.json
    this.#style = style
    this.#result = `${style.dryRun ? 'would be ' : ''}${style.command === 'replay' ? 'replayed' : 'discarded'}`
  }

  /** One of all letters that this command is not about. */
  leftAlone (state: 'replayed' | 'discarded' | 'foreign'): void {
    this.#leftAlone[state]++
  }

  /**
   * @param sent the letter whose bytes were sent for all of the shipment
   * @param to where the broker has stored it; nothing in a dry run
   */
  async replayed ({ letters }: Shipment, sent: DeadLetter, to?: Delivery): Promise<void> {
    this.#messages++
    const withoutHeaders = sent.cut === 'headers'
    const { droppedHeaders } = sent
    for (const { id, state } of letters) {
      this.#done++
      const text = `${id} ${this.#result} to ${to ? place(to) : sent.origin.topic}` +
        `${before(state, 'replayed')}${withoutHeaders ? ', without its headers, which were cut' : ''}` +
        (droppedHeaders === 0 ? '' : `, without ${count(droppedHeaders, 'header')} of it that ${droppedHeaders === 1 ? 'is' : 'are'} not text`)
      const json = { letter: id, result: this.#result, to: to ?? { topic: sent.origin.topic }, again: state === 'replayed', wasDiscarded: state === 'discarded', withoutHeaders, droppedHeaders }
      await this.#line(json, text)
    }
  }

  async discarded (id: string, state: State, { by, why }: Discard): Promise<void> {
    this.#done++
    const json = { letter: id, result: this.#result, by, why, again: state === 'discarded', wasReplayed: state === 'replayed' }
    await this.#line(json, `${id} ${this.#result}${before(state, 'discarded')}`)
  }

  async failed (letter: string, error: string): Promise<void> {
    this.failures++
    await this.#line({ letter, result: 'failed', error }, this.#output.paint('red', `${letter} failed: ${printable(error)}`))
  }

  summary (): void {
    const together = this.#style.command === 'discard' || this.#messages === this.#done ? '' : ` in ${count(this.#messages, 'message')}`
    const parts = [`${count(this.#done, 'dead letter')} ${this.#result}${together}`, `${this.failures} failed`]
    const { replayed, discarded, foreign } = this.#leftAlone
    if (replayed > 0) parts.push(`${replayed} replayed before`)
    if (discarded > 0) parts.push(`${discarded} discarded before`)
    if (foreign > 0) parts.push(`${count(foreign, 'foreign record')} left alone`)
    this.#output.note(parts.join(', '))
  }

  async #line (json: object, text: string): Promise<void> {
    await this.#output.line(this.#isJson ? oneLineJson(json) : text)
  }
}

function before (state: State, result: 'replayed' | 'discarded'): string {
  if (state !== 'replayed' && state !== 'discarded') return ''
  return state === result ? ', once more' : `, ${state} before`
}
