import { deadLetterTopic } from '@pair/events'
import { readLetter, type Foreign, type Letter } from './letter.js'
import { count, progress, type Output } from './output.js'
import { Marks } from './marks.js'
import { place, printable, shortKey, timeOf, toJson } from './text.js'
import type { Source } from './source.js'

const columns = { LETTER: 8, STATE: 8, GROUP: 15, REASON: 13, ATTEMPTS: 8, CUT: 7, ORIGIN: 22, TIME: 20, KEY: 12, ERROR: 0 }

/** Every dead letter, one line each. */
export async function list ({ reader, topics, topic, isOf }: Source, json: boolean, output: Output): Promise<void> {
  const marks = await Marks.read(reader, topics, topic)
  const seen = progress(output)
  const found = { letters: 0, replayed: 0, foreign: 0 }
  for await (const record of reader.read(deadLetterTopic(topic))) {
    seen()
    const item = readLetter(record, topic)
    if (!isOf(item.isLetter ? item.group : null)) continue
    const state = stateOf(item, marks)
    if (!json && found.letters + found.foreign === 0) await output.line(row(Object.keys(columns)))
    await output.line(json ? JSON.stringify(listJson(item, state)) : listRow(item, state))
    if (state === 'foreign') found.foreign++
    else found.letters++
    if (state === 'replayed') found.replayed++
  }
  const others = found.foreign > 0 ? `; ${count(found.foreign, 'record')} that ${found.foreign === 1 ? 'is' : 'are'} none` : ''
  output.note(`${count(found.letters, 'dead letter')} in ${deadLetterTopic(topic)}, ${found.replayed} of them replayed${others}`)
}

export function listJson (item: Letter | Foreign, state: State) {
  const { id: letter, record: { key } } = item
  if (!item.isLetter) return { letter, state, error: item.why, key: toJson(key) }
  const { reason, error, attempts, group, origin, firstTime, cut, droppedHeaders } = item
  return { letter, state, reason, error, attempts, group, origin: { ...origin, time: timeOf(origin.time) }, firstTime: timeOf(firstTime), cut, droppedHeaders, key: toJson(key) }
}

export function listRow (item: Letter | Foreign, state: State): string {
  const key = shortKey(item.record.key)
  if (!item.isLetter) return row([item.id, state, '-', '-', '-', '-', '-', '-', key, `no dead letter: ${item.why}`])
  const { id, group, reason, error, attempts, origin, cut } = item
  const time = timeOf(origin.time)?.replace(/\.\d+/, '') ?? '-'
  return row([id, state, group ?? '-', reason, String(attempts), cut === 'nothing' ? '-' : cut, place(origin), time, key, error])
}

export type State = 'new' | 'replayed' | 'foreign'

/** Foreign is what no service has put there: a replay leaves it out. */
export function stateOf (item: Letter | Foreign, marks: Marks): State {
  if (!item.isLetter || item.isMisplaced) return 'foreign'
  return marks.has(item) ? 'replayed' : 'new'
}

function row (cells: string[]): string {
  return cells.map((cell, index) => printable(cell).padEnd(Object.values(columns)[index] ?? 0)).join('  ').trimEnd()
}
