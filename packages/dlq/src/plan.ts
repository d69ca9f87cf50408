import { placeOf, type DeadLetter } from './dead-letter.js'
import type { State } from './state.js'

/** One message to be sent again, for all the letters of it. */
export interface Shipment {
  /** Of the letter whose bytes are sent. */
  from: string
  hasHeaders: boolean
  letters: Array<{ id: string, place: string, group: string | null, state: State }>
}

/**
 * What is to be replayed: one message for each origin, though every group of its topic may have made a letter of it. Sent once
 * for each letter, each would come to all groups, and those that fail would each make as many new letters.
 */
export class Plan {
  readonly #shipments = new Map<string, Shipment>()

  /** How many messages are to be sent. */
  get size (): number {
    return this.#shipments.size
  }

  add (letter: DeadLetter, state: State): void {
    const { id, group, cut } = letter
    const hasHeaders = cut === 'nothing'
    const part = { id, place: placeOf(letter.record), group, state }
    const found = this.#shipments.get(originOf(letter))
    if (found === undefined) {
      this.#shipments.set(originOf(letter), { from: id, hasHeaders, letters: [part] })
      return
    }
    found.letters.push(part)
    if (hasHeaders && !found.hasHeaders) Object.assign(found, { from: id, hasHeaders })
  }

  /** The shipment that is sent with this letter's bytes; each is given out once. */
  take (letter: DeadLetter): Shipment | undefined {
    const shipment = this.#shipments.get(originOf(letter))
    if (shipment?.from !== letter.id) return undefined
    this.#shipments.delete(originOf(letter))
    return shipment
  }

  /** The letters that nobody has taken. */
  get left (): string[] {
    return [...this.#shipments.values()].flatMap(({ letters }) => letters.map(({ id }) => id))
  }
}

/** The groups that a shipment is meant for; undefined where a letter does not say whose it is, and so for all. */
export function groupsOf ({ letters }: Shipment): string[] | undefined {
  const groups = [...new Set(letters.map(({ group }) => group))]
  return groups.every(group => group !== null) ? groups : undefined
}

const originOf = ({ origin: { topic, partition, offset, time } }: DeadLetter) => `${topic} ${partition} ${offset} ${time}`
