import { once } from 'node:events'
import type { Writable } from 'node:stream'
import type { Logger } from '@pair/kafka'
import { printable } from './text.js'

const codes = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const

/** Colours a text, where the output has colours. */
export type Paint = (colour: keyof typeof codes, text: string) => string

/** Where a command prints what it finds (`line`, standard output) and what it did (`note`, standard error). */
export interface Output {
  /** Resolves when there is room for the next one: the reader of the output sets the pace. */
  line: (text: string) => Promise<void>
  note: (text: string) => void
  /** Shows how far a long work is, in a line that the next one replaces. `text` is called only where it is shown. */
  progress: (text: () => string) => void
  /** Removes that line. */
  clear: () => void
  paint: Paint
}

type Stream = Writable & { isTTY?: boolean }

/** A command that takes no longer than this shows no progress. */
const quietMs = 1000
const redrawMs = 200
const clearLine = '\r\u001b[K'

/**
 * Colours only where standard output is a terminal and NO_COLOR is unset; a progress line only where standard error is one, too, so that
 * it is not drawn over a pager.
 *
 * @see https://no-color.org
 */
export function createOutput (stdout: Stream, stderr: Stream, env: NodeJS.ProcessEnv, now = () => performance.now()): Output {
  const isDumb = env['TERM'] === 'dumb'
  const hasColours = stdout.isTTY === true && !isDumb && !env['NO_COLOR']
  const hasProgress = stdout.isTTY === true && stderr.isTTY === true && !isDumb
  let isDrawn = false
  let nextDraw = now() + quietMs
  const clear = () => {
    if (isDrawn) stderr.write(clearLine)
    isDrawn = false
  }
  return {
    async line (text) {
      clear() // both are terminals, and may be the same one
      if (!stdout.write(`${text}\n`)) await once(stdout, 'drain')
    },
    note (text) {
      clear()
      stderr.write(`${text}\n`)
    },
    progress (text) {
      if (!hasProgress || now() < nextDraw) return
      nextDraw = now() + redrawMs
      stderr.write(`${clearLine}${text()}`)
      isDrawn = true
    },
    clear,
    paint (colour, text) {
      const [on, off] = codes[colour]
      return hasColours ? `\u001b[${on}m${text}\u001b[${off}m` : text
    }
  }
}

/** Prints the warnings of a Kafka client, one line each; not librdkafka's own lines (`fac`), which are about single requests. */
export function clientLogger (output: Output): Logger {
  const note = ({ reason, err, fac }: { reason?: unknown, err?: unknown, fac?: unknown }, text: string) => {
    if (fac !== undefined) return
    const why = err instanceof Error ? err.message : reason
    output.note(printable(why === undefined ? text : `${text}: ${String(why)}`))
  }
  return { debug () {}, info () {}, warn: note, error: note }
}

/** Counts on a progress line: `orders.dlq: 2001 of 10000 records read`. */
export function counter (output: Output, where: string, what: string, total: number): () => void {
  let number = 0
  return () => {
    number++
    output.progress(() => `${where}: ${number} of ${total} ${what}`)
  }
}

export const plain: Paint = (_colour, text) => text

/** `1 dead letter`, `2 dead letters`. */
export function count (number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`
}
