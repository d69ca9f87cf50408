import { deadLetterTopic } from '@pair/events'
import { readDeadLetter, type DeadLetter, type Unrecognised } from './dead-letter.js'
import { OperatorLog } from './operator-log.js'
import { count, counter, plain, type Output, type Paint } from './output.js'
import { numberOf, recordsOf, type Source } from './source.js'
import type { State, Status } from './state.js'
import { oneLineJson, place, printable, shortKey, timeOf, toJson } from './text.js'

const columns = { LETTER: 8, STATE: 9, GROUP: 15, REASON: 13, ATTEMPTS: 8, CUT: 7, ORIGIN: 22, TIME: 20, KEY: 12, ERROR: 0 }
const colours = { new: 'yellow', replayed: 'green', discarded: 'dim', foreign: 'red' } as const

interface Look { paint?: Paint, letterWidth?: number }

/** The dead letters that match, one line each. */
export async function list (sources: Source[], json: boolean, output: Output): Promise<number> {
  const longest = Math.max(...sources.map(({ idPrefix }) => idPrefix.length))
  const look = { paint: output.paint, letterWidth: columns.LETTER + longest }
  let lines = 0
  for (const source of sources) {
    const found = await listTopic(source, output, async (item, status) => {
      if (lines++ === 0 && !json) await output.line(output.paint('bold', header(look.letterWidth)))
      await output.line(json ? oneLineJson(listJson(item, status)) : listRow(item, status, look))
    })
    if (sources.length === 1 || found.letters + found.foreign > 0) output.note(summary(source, found))
  }
  if (lines === 0 && sources.length > 1) output.note(`0 dead letters in ${sources.length} topics`)
  return 0
}

type Found = Record<'letters' | 'replayed' | 'discarded' | 'foreign', number>

async function listTopic (source: Source, output: Output, show: (item: DeadLetter | Unrecognised, status: Status) => Promise<void>): Promise<Found> {
  const log = await OperatorLog.read(source, output)
  const seen = counter(output, deadLetterTopic(source.topic), 'records read', await numberOf(source))
  const found = { letters: 0, new: 0, replayed: 0, discarded: 0, foreign: 0 }
  for await (const record of recordsOf(source, async () => {})) {
    seen()
    const item = readDeadLetter(record, source)
    const status = log.statusOf(item)
    if (source.mismatch(item, status.state) !== undefined) continue
    await show(item, status)
    found[status.state]++
    if (status.state !== 'foreign') found.letters++
  }
  return found
}

function summary ({ topic }: Source, { letters, replayed, discarded, foreign }: Found): string {
  return `${count(letters, 'dead letter')} in ${deadLetterTopic(topic)}, ${replayed} of them replayed${discarded > 0 ? `, ${discarded} discarded` : ''}` +
    (foreign > 0 ? `; ${count(foreign, 'record')} that ${foreign === 1 ? 'is' : 'are'} none` : '')
}

export function listJson (item: DeadLetter | Unrecognised, { state, discard }: Status) {
  const { id: letter, record: { key, timestamp } } = item
  const time = timeOf(timestamp)
  if (!item.isLetter) return { letter, state, time, error: item.why, key: toJson(key) }
  const { reason, error, attempts, group, origin, firstTime, cut, droppedHeaders } = item
  const about = { letter, state, ...(discard && { discarded: discard }), time, reason, error, attempts, group }
  return { ...about, origin: { ...origin, time: timeOf(origin.time) }, firstTime: timeOf(firstTime), cut, droppedHeaders, key: toJson(key) }
}

export function listRow (item: DeadLetter | Unrecognised, { state, discard }: Status, look: Look = {}): string {
  const key = shortKey(item.record.key)
  const time = timeOf(item.record.timestamp)?.replace(/\.\d+/, '') ?? '-'
  if (!item.isLetter) return row([item.id, state, '-', '-', '-', '-', '-', time, key, `no dead letter: ${item.why}`], look)
  const { id, group, reason, error, attempts, origin, cut } = item
  const decision = discard ? ` (discarded by ${discard.by}: ${discard.why})` : ''
  return row([id, state, group ?? '-', reason, String(attempts), cut === 'nothing' ? '-' : cut, place(origin), time, key, error + decision], look)
}

function header (letterWidth: number): string {
  return row(Object.keys(columns), { letterWidth })
}

/** Padded before it is coloured, so that codes do not count as characters. */
function row (cells: string[], { paint = plain, letterWidth = columns.LETTER }: Look): string {
  const widths = { ...columns, LETTER: letterWidth }
  const padded = cells.map((cell, index) => printable(cell).padEnd(Object.values(widths)[index] ?? 0))
  const text = padded.join('  ').trimEnd()
  const [letter = '', state = ''] = padded
  const colour = colours[state.trimEnd() as State]
  return colour === undefined ? text : `${letter}  ${paint(colour, state)}${text.slice(letter.length + 2 + state.length)}`
}
