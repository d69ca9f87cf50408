import type { ClientOptions } from '@pair/kafka'
import { deadLetterTopic } from '@pair/events'
import type { Wanted } from './arguments.js'
import { readDeadLetter, type DeadLetter } from './dead-letter.js'
import { OperatorLog } from './operator-log.js'
import { counter, type Output } from './output.js'
import { Plan } from './plan.js'
import { Report } from './report.js'
import { select } from './select.js'
import { Sender } from './sender.js'
import { recordsOf, type Source } from './source.js'
import { timeOf } from './text.js'

type Replay = Extract<Wanted, { command: 'replay' }>

const dayMs = 24 * 60 * 60 * 1000

/**
 * Sends dead letters to their topics once more. Each is remembered after the broker has acknowledged it, so a replay that
 * dies in the middle can be run again: what it sends twice, the inboxes of the services know.
 *
 * @returns how many letters were not there or could not be replayed
 */
export async function replay (sources: Source[], wanted: Replay, options: ClientOptions, output: Output): Promise<number> {
  const report = new Report(output, wanted)
  try {
    for (const source of sources) await replayTopic(source, wanted, options, report, output)
  } finally {
    report.summary()
  }
  return report.failures
}

/** The letters are read twice: first to find those of one message, then to send its bytes, which no memory could hold of all. */
async function replayTopic (source: Source, { dryRun, filter }: Replay, options: ClientOptions, report: Report, output: Output): Promise<void> {
  const log = await OperatorLog.read(source, output)
  const plan = new Plan()
  for await (const [letter, { state }] of select(source, log, filter.state !== undefined, report, output)) {
    const refused = whyNot(letter, source)
    if (refused !== undefined) await report.failed(letter.id, refused)
    else plan.add(letter, state)
  }
  if (plan.size === 0) return

  const sender = dryRun ? undefined : await Sender.open(source, options, report)
  try {
    const sent = counter(output, deadLetterTopic(source.topic), `messages ${dryRun ? 'found' : 'sent'}`, plan.size)
    for await (const record of recordsOf(source, async () => {})) {
      const item = readDeadLetter(record, source)
      const shipment = item.isLetter ? plan.take(item) : undefined
      if (!item.isLetter || shipment === undefined) continue
      sent()
      if (sender) await sender.add(item, shipment)
      else await report.replayed(shipment, item)
    }
    await sender?.flush()
    for (const id of plan.left) await report.failed(id, 'not there any more')
  } finally {
    await sender?.close()
  }
}

function whyNot (letter: DeadLetter, { topic, topics, replayableForMs }: Source): string | undefined {
  // Whoever may write here could else have anything sent to any topic, with the operator's rights.
  if (letter.isMisplaced) return `it says that it came from ${letter.origin.topic}, and only letters of ${topic} are sent`
  if (letter.cut === 'value') return 'its value was left out: there is nothing to send'
  if (letter.firstTime >= 0 && Date.now() - letter.firstTime > replayableForMs) {
    return `the message is of ${timeOf(letter.firstTime)}, more than ${Math.floor(replayableForMs / dayMs)} days old: a service that has processed it may have forgotten that, and would process it again`
  }
  // Looked for before anything is sent, because a producer would create it.
  if (!topics.has(topic)) return `the topic ${topic} that it came from is not there any more`
  return undefined
}
