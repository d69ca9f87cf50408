import type { ClientOptions, StoredMessage } from 'shared-kafka'
import { deadLetterTopic } from 'shared-topics'
import type { Position, Wanted } from './arguments.js'
import { exitCodes, OperatorError } from './errors.js'
import { readLetter, type Letter } from './letter.js'
import { Marks } from './marks.js'
import { progress, type Output } from './output.js'
import { Report } from './report.js'
import { Sender } from './sender.js'
import { recordAt, type Source } from './source.js'

/**
 * Sends dead letters to their topic once more. Each is remembered after the broker has acknowledged it, so a replay that
 * dies in the middle can be run again: what it sends twice, the inboxes of the services know.
 *
 * @returns how many letters were not there or could not be replayed
 */
export async function replay (source: Source, { letters, dryRun, json }: Extract<Wanted, { command: 'replay' }>, options: ClientOptions, output: Output): Promise<number> {
  const marks = await Marks.read(source.reader, source.topics, source.topic)
  const report = new Report(output, { json, dryRun, isAgain: letter => marks.has(letter) })
  const sender = dryRun ? undefined : await Sender.open(source, options, report)
  const send = async (letter: Letter) => {
    const refused = whyNot(letter, source)
    if (refused !== undefined) await report.failed(letter.id, refused)
    else if (sender) await sender.add(letter)
    else await report.replayed(letter)
  }
  try {
    if (letters === 'all') {
      await replayAll(source, progress(output), async record => {
        const letter = readLetter(record)
        if (!letter.isLetter) report.foreign++
        else if (marks.has(letter)) report.before++
        else await send(letter)
      })
    } else {
      await replaySome(source, letters, report, async record => {
        const letter = readLetter(record)
        if (letter.isLetter) await send(letter)
        else await report.failed(letter.id, `no dead letter: ${letter.why}`)
      })
    }
    await sender?.flush()
  } finally {
    await sender?.close()
    report.summary()
  }
  return report.failures
}

type Take = (record: StoredMessage) => Promise<void>

async function replayAll ({ reader, topic }: Source, seen: () => void, take: Take): Promise<void> {
  for await (const record of reader.read(deadLetterTopic(topic))) {
    await take(record)
    seen()
  }
}

/** On purpose, so those that were replayed before as well. */
async function replaySome (source: Source, letters: Position[], report: Report, take: Take): Promise<void> {
  for (const at of letters) {
    const record = await recordAt(source, at).catch(async error => {
      if (!(error instanceof OperatorError) || error.exitCode !== exitCodes.failed) throw error
      await report.failed(`${at.partition}:${at.offset}`, error.message.replace(/^\S+ is /, ''))
    })
    if (record) await take(record)
  }
}

function whyNot ({ cut, origin: { topic } }: Letter, { topics }: Source): string | undefined {
  if (cut === 'value') return 'its value was cut, because the broker did not take it: there is nothing to send'
  // Looked for before anything is sent, because a producer would create it.
  if (!topics.has(topic)) return `the topic ${topic} that it came from is not there any more`
  return undefined
}
