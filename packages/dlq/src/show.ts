import { deadLetterTopic } from '@pair/events'
import { readDeadLetter, type DeadLetter, type Unrecognised } from './dead-letter.js'
import { listJson } from './list.js'
import { OperatorLog } from './operator-log.js'
import { counter, plain, type Output, type Paint } from './output.js'
import { numberOf, recordsOf, type Source } from './source.js'
import type { Status } from './state.js'
import { describeBytes, oneLineJson, place, printable, timeOf, toJson } from './text.js'

/** All about some dead letters: those that are named, or all that match. Returns how many were not there or do not match. */
export async function show (sources: Source[], json: boolean, output: Output): Promise<number> {
  let [shown, failures] = [0, 0]
  const fail = (text: string) => {
    failures++
    output.note(text)
  }
  for (const source of sources) {
    const log = await OperatorLog.read(source, output)
    const seen = counter(output, deadLetterTopic(source.topic), 'records read', await numberOf(source))
    for await (const record of recordsOf(source, async (letter, why) => fail(`${letter} is not there: ${why}`))) {
      seen()
      const item = readDeadLetter(record, source)
      const status = log.statusOf(item)
      const mismatch = source.mismatch(item, status.state)
      if (mismatch !== undefined) {
        if (source.letters !== 'all') fail(`${item.id} does not match --${mismatch}`)
        continue
      }
      if (shown++ > 0 && !json) await output.line('')
      await output.line(json ? oneLineJson(showJson(item, status)) : showText(item, status, deadLetterTopic(source.topic), output.paint))
    }
  }
  if (shown === 0 && failures === 0) output.note('0 dead letters')
  return failures
}

/** What `list` says, and the rest: all headers where it is no dead letter, else those of the message. */
export function showJson (item: DeadLetter | Unrecognised, status: Status) {
  const headers = headersOf(item).map(([name, bytes]) => ({ name, ...toJson(bytes) }))
  return { ...listJson(item, status), headers, value: toJson(item.record.value) }
}

export function showText (item: DeadLetter | Unrecognised, { state, discard }: Status, topic: string, paint: Paint = plain): string {
  const time = ['time', timeOf(item.record.timestamp) ?? '-']
  const about = item.isLetter
    ? [
        ['letter', `${item.id} of ${topic}, ${state}`],
        ...(discard ? [['by', `${discard.by}, ${discard.time}`], ['why', discard.why]] : []),
        time,
        ['reason', item.reason],
        ['error', item.error],
        ['attempts', String(item.attempts)],
        ['group', item.group ?? '-'],
        ['origin', `${place(item.origin)}${item.origin.time < 0 ? '' : `, ${timeOf(item.origin.time)}`}`],
        ...(item.firstTime === item.origin.time ? [] : [['first', `${timeOf(item.firstTime)}: the origin is a replay`]]),
        ['cut', item.droppedHeaders === 0 ? item.cut : `${item.cut}; headers that are not text: ${item.droppedHeaders} dropped`]
      ]
    : [['record', `${item.id} of ${topic}, no dead letter: ${item.why}`], time]
  const headers = headersOf(item)
  const label = (name: string) => paint('bold', name) + ' '.repeat(Math.max(0, 10 - name.length))
  return [
    ...about.map(([name = '', text = '']) => label(name) + printable(text)),
    part(label('key'), item.record.key),
    `${label('headers')}${headers.length === 0 ? 'none' : headers.length}`,
    ...headers.map(([name, bytes]) => `  ${printable(name)}: ${inOneLine(bytes)}`),
    part(label('value'), item.record.value)
  ].join('\n')
}

function part (label: string, bytes: Buffer | null): string {
  if (bytes === null) return `${label}null`
  const { kind, text } = describeBytes(bytes)
  const lines = bytes.length === 0 ? [] : text.split('\n').map(line => `  ${line}`)
  return [`${label}${bytes.length} bytes, ${kind}`, ...lines].join('\n')
}

function inOneLine (bytes: Buffer): string {
  const { kind, text } = describeBytes(bytes)
  return kind === 'text' ? printable(text) : `0x${bytes.toString('hex')}`
}

function headersOf (item: DeadLetter | Unrecognised): Array<[string, Buffer]> {
  return (item.isLetter ? item.headers : item.record.headers).flatMap(header => Object.entries(header))
}
