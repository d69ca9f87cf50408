import type { ClientOptions } from '@pair/kafka'
import { deadLetterTopic } from '@pair/events'
import type { Wanted } from './arguments.js'
import { readLetter, type Foreign, type Letter } from './letter.js'
import { Marks } from './marks.js'
import { progress, type Output } from './output.js'
import { Plan } from './plan.js'
import { Report } from './report.js'
import { Sender } from './sender.js'
import { recordsAt, type Source } from './source.js'
import { timeOf } from './text.js'

const dayMs = 24 * 60 * 60 * 1000

/**
 * Sends dead letters to their topic once more. Each is remembered after the broker has acknowledged it, so a replay that
 * dies in the middle can be run again: what it sends twice, the inboxes of the services know.
 *
 * The letters are read twice: first to find those of one message, then to send its bytes, which no memory could hold of all.
 *
 * @returns how many letters were not there or could not be replayed
 */
export async function replay (source: Source, { letters, dryRun, json }: Extract<Wanted, { command: 'replay' }>, options: ClientOptions, output: Output): Promise<number> {
  const { reader, topics, topic } = source
  const report = new Report(output, { json, dryRun })
  const records = (isGone: (letter: string, why: string) => Promise<void>) =>
    letters === 'all' ? reader.read(deadLetterTopic(topic)) : recordsAt(source, letters, isGone)
  let sender: Sender | undefined
  try {
    const marks = await Marks.read(reader, topics, topic)
    const plan = new Plan()
    const seen = progress(output)
    for await (const record of records(async (letter, why) => await report.failed(letter, why))) {
      seen()
      const item = readLetter(record, topic)
      if (letters === 'all' && isLeftAlone(item, source, marks, report)) continue
      const refused = whyNot(item, source)
      if (refused !== undefined) await report.failed(item.id, refused)
      else if (item.isLetter) plan.add(item, marks.has(item))
    }
    if (plan.isEmpty) return report.failures

    if (!dryRun) sender = await Sender.open(source, options, report)
    for await (const record of records(async () => {})) {
      const item = readLetter(record, topic)
      const shipment = item.isLetter ? plan.take(item) : undefined
      if (!item.isLetter || shipment === undefined) continue
      if (sender) await sender.add(item, shipment)
      else await report.replayed(shipment, item)
    }
    await sender?.flush()
    for (const id of plan.left) await report.failed(id, 'not there any more')
  } finally {
    await sender?.close()
    report.summary()
  }
  return report.failures
}

/** Of all letters only those that wait for a replay are meant. One that is named is meant in any case. */
function isLeftAlone (item: Letter | Foreign, { isOf }: Source, marks: Marks, report: Report): boolean {
  if (!item.isLetter) report.foreign++
  else if (isOf(item.group)) {
    if (item.isMisplaced || !marks.has(item)) return false
    report.before++
  }
  return true
}

function whyNot (item: Letter | Foreign, { topic, topics, isOf, replayableForMs }: Source): string | undefined {
  if (!item.isLetter) return `no dead letter: ${item.why}`
  // Whoever may write here could else have anything sent to any topic, with the operator's rights.
  if (item.isMisplaced) return `it says that it came from ${item.origin.topic}, and only letters of ${topic} are sent`
  if (!isOf(item.group)) return item.group === null ? 'it names no group' : `it is a letter of the group ${item.group}`
  if (item.cut === 'value') return 'its value was cut, because the broker did not take it: there is nothing to send'
  if (item.firstTime >= 0 && Date.now() - item.firstTime > replayableForMs) {
    return `the message is of ${timeOf(item.firstTime)}, more than ${Math.floor(replayableForMs / dayMs)} days old: a service that has processed it may have forgotten that, and would process it again`
  }
  // Looked for before anything is sent, because a producer would create it.
  if (!topics.has(topic)) return `the topic ${topic} that it came from is not there any more`
  return undefined
}
