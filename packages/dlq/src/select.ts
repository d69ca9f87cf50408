import { deadLetterTopic } from '@pair/events'
import { readDeadLetter, type DeadLetter } from './dead-letter.js'
import type { OperatorLog } from './operator-log.js'
import { counter, type Output } from './output.js'
import type { Report } from './report.js'
import { numberOf, recordsOf, type Source } from './source.js'
import type { Status } from './state.js'

/**
 * The letters that a command shall do something to. Of all letters these are the ones that match and, unless the operator has
 * chosen a state, were neither replayed nor discarded. One that is named is meant in any state, and fails where it does not match.
 */
export async function * select (source: Source, log: OperatorLog, hasState: boolean, report: Report, output: Output): AsyncGenerator<[DeadLetter, Status], void, undefined> {
  const isAll = source.letters === 'all'
  const seen = counter(output, deadLetterTopic(source.topic), 'records read', await numberOf(source))
  for await (const record of recordsOf(source, async (letter, why) => await report.failed(letter, `not there: ${why}`))) {
    seen()
    const item = readDeadLetter(record, source)
    const status = log.statusOf(item)
    const mismatch = source.mismatch(item, status.state)
    if (isAll && mismatch !== undefined) continue
    if (!item.isLetter) {
      if (isAll) report.leftAlone('foreign')
      else await report.failed(item.id, `no dead letter: ${item.why}`)
    } else if (mismatch !== undefined) {
      await report.failed(item.id, `it does not match --${mismatch}`)
    } else if (isAll && !hasState && (status.state === 'replayed' || status.state === 'discarded')) {
      report.leftAlone(status.state)
    } else {
      yield [item, status]
    }
  }
}
