import { deadLetterTopic } from '@pair/events'
import type { Position } from './arguments.js'
import { readLetter, type Foreign, type Letter } from './letter.js'
import { listJson, stateOf, type State } from './list.js'
import { Marks } from './marks.js'
import type { Output } from './output.js'
import { recordAt, type Source } from './source.js'
import { describeBytes, place, printable, timeOf, toJson } from './text.js'

/** All about one dead letter. */
export async function show (source: Source, at: Position, json: boolean, output: Output): Promise<void> {
  const { reader, topics, topic } = source
  const item = readLetter(await recordAt(source, at), topic)
  const state = stateOf(item, await Marks.read(reader, topics, topic))
  await output.line(json ? JSON.stringify(showJson(item, state)) : showText(item, state, deadLetterTopic(topic)))
}

/** What `list` says, and the rest: all headers where it is no dead letter, else those of the message. */
export function showJson (item: Letter | Foreign, state: State) {
  const headers = headersOf(item).map(([name, bytes]) => ({ name, ...toJson(bytes) }))
  return { ...listJson(item, state), headers, value: toJson(item.record.value) }
}

export function showText (item: Letter | Foreign, state: State, topic: string): string {
  const about = item.isLetter
    ? [
        ['letter', `${item.id} of ${topic}, ${state}`],
        ['reason', item.reason],
        ['error', item.error],
        ['attempts', String(item.attempts)],
        ['group', item.group ?? '-'],
        ['origin', `${place(item.origin)}${item.origin.time < 0 ? '' : `, ${timeOf(item.origin.time)}`}`],
        ...(item.firstTime === item.origin.time ? [] : [['first', `${timeOf(item.firstTime)}: the origin is a replay`]]),
        ['cut', item.droppedHeaders === 0 ? item.cut : `${item.cut}; headers that are not text: ${item.droppedHeaders} dropped`]
      ]
    : [['record', `${item.id} of ${topic}, no dead letter: ${item.why}`]]
  const headers = headersOf(item)
  return [
    ...about.map(([name = '', text = '']) => `${name.padEnd(8)}  ${printable(text)}`),
    part('key', item.record.key),
    `headers   ${headers.length === 0 ? 'none' : headers.length}`,
    ...headers.map(([name, bytes]) => `  ${printable(name)}: ${inOneLine(bytes)}`),
    part('value', item.record.value)
  ].join('\n')
}

function part (name: string, bytes: Buffer | null): string {
  if (bytes === null) return `${name.padEnd(8)}  null`
  const { kind, text } = describeBytes(bytes)
  const lines = bytes.length === 0 ? [] : text.split('\n').map(line => `  ${line}`)
  return [`${name.padEnd(8)}  ${bytes.length} bytes, ${kind}`, ...lines].join('\n')
}

function inOneLine (bytes: Buffer): string {
  const { kind, text } = describeBytes(bytes)
  return kind === 'text' ? printable(text) : `0x${bytes.toString('hex')}`
}

function headersOf (item: Letter | Foreign): Array<[string, Buffer]> {
  return (item.isLetter ? item.headers : item.record.headers).flatMap(header => Object.entries(header))
}
