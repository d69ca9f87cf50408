import { once } from 'node:events'

/** Where a command says what it finds (`line`, standard output) and what it does (`note`, standard error). */
export interface Output {
  /** Resolves when there is room for the next one: whoever reads the output sets the pace. */
  line: (text: string) => Promise<void>
  note: (text: string) => void
}

export const standardOutput: Output = {
  async line (text) {
    if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain')
  },
  note (text) {
    process.stderr.write(`${text}\n`)
  }
}

/** `1 dead letter`, `2 dead letters`. */
export function count (number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`
}

const progressEvery = 10_000

/** Notes every so many records how far it is, which shows that a long work is under way. */
export function progress (output: Output): () => void {
  let read = 0
  return () => {
    if (++read % progressEvery === 0) output.note(`${read} records read …`)
  }
}
