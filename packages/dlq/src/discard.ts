import { Producer, type ClientOptions, type OutgoingMessage } from '@pair/kafka'
import type { Wanted } from './arguments.js'
import { discardEntry, OperatorLog, provisionOperatorLog } from './operator-log.js'
import type { Output } from './output.js'
import { Report } from './report.js'
import { select } from './select.js'
import type { Source } from './source.js'
import type { Discard, State } from './state.js'

/** Entries in one request. */
const batchLetters = 500

/**
 * Remembers that dead letters need no replay, with who has decided it and why. The letters stay where they are. A letter is
 * reported after the broker has acknowledged its entry, so a discard that dies in the middle can be run again.
 *
 * @returns how many letters were not there or could not be discarded
 */
export async function discard (sources: Source[], wanted: Extract<Wanted, { command: 'discard' }>, options: ClientOptions, output: Output): Promise<number> {
  const { by, why, dryRun, filter } = wanted
  // One time for all letters of a command: it is one decision, and the log of operators keeps it once.
  const decision: Discard = { by, why, time: new Date().toISOString() }
  const report = new Report(output, wanted)
  const producer = dryRun ? undefined : new Producer({ 'compression.type': 'gzip', ...options })
  try {
    for (const source of sources) {
      const log = await OperatorLog.read(source, output)
      // Entries, not letters: those of a batch may be too large for memory.
      let batch: Array<{ id: string, state: State, entry: OutgoingMessage }> = []
      const flush = async () => {
        if (producer && batch.length > 0) {
          await provisionOperatorLog(source, options)
          await producer.send({ messages: batch.map(({ entry }) => entry) })
        }
        for (const { id, state } of batch) await report.discarded(id, state, decision)
        batch = []
      }
      for await (const [letter, { state }] of select(source, log, filter.state !== undefined, report, output)) {
        // Who looks for forged letters still finds it.
        if (state === 'foreign' && source.letters === 'all' && filter.state === undefined) {
          report.leftAlone('foreign')
          continue
        }
        batch.push({ id: letter.id, state, entry: discardEntry(source.topic, letter, decision) })
        if (batch.length >= batchLetters) await flush()
      }
      await flush()
    }
  } finally {
    await producer?.close()
    report.summary()
  }
  return report.failures
}
