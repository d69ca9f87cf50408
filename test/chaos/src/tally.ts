/** What the profile service's log lines say of each message that came to its end. */
const ends = new Set(['profile created', 'event seen before, nothing to do', 'the user has a profile already, the first one is kept', 'message dead-lettered'])

/** Counts over all instances of the profile service, from their logs; what a kill cut off is not in them. */
export class Tally {
  redelivered = 0
  suppressed = 0
  readonly #positions = new Set<string>()

  add = ({ msg, topic, partition, offset }: Record<string, unknown>) => {
    if (typeof msg !== 'string' || !ends.has(msg)) return
    if (msg === 'event seen before, nothing to do') this.suppressed++
    const position = `${topic} ${partition} ${offset}`
    if (this.#positions.has(position)) this.redelivered++
    this.#positions.add(position)
  }
}
