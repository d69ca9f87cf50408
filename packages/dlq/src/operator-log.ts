import { crc32 } from 'node:zlib'
import { deadLetterTopic } from '@pair/events'
import { provisionTopics, type ClientOptions, type Delivery, type OutgoingMessage } from '@pair/kafka'
import { placeOf, type DeadLetter, type Unrecognised } from './dead-letter.js'
import { counter, type Output } from './output.js'
import { recordsIn, type Source } from './source.js'
import type { Discard, Status } from './state.js'

/**
 * The topic that remembers which dead letters operators have replayed or discarded: on the broker, so that all operators share it,
 * keyed by the letter's place, and compacted, so that it keeps the newest entry of each letter for ever.
 */
export const operatorLogTopic = (topic: string) => `${deadLetterTopic(topic)}.replayed`

const provisionLimitMs = 10_000
/** A broker that creates it with more partitions is as good: the entries of a letter have one key, and so one partition. What fails, the first entry's writing reports. */
const noopLogger = { debug () {}, info () {}, warn () {}, error () {} }

/** Creates the topic of the operator log where it is missing; once for each source. */
export async function provisionOperatorLog ({ topics, topic }: Source, options: ClientOptions): Promise<void> {
  if (topics.has(operatorLogTopic(topic))) return
  const declaration = { name: operatorLogTopic(topic), partitions: 1, config: { 'cleanup.policy': 'compact' } }
  await provisionTopics(options, [declaration], { logger: noopLogger, signal: AbortSignal.timeout(provisionLimitMs) })
  topics.set(declaration.name, declaration.partitions)
}

/** What operators have done with the dead letters of a topic, in 8 bytes for each. The newest record of a letter counts. */
export class OperatorLog {
  readonly #partitions: Array<{ low: number, sums: Uint32Array, discards: Uint32Array }> = []
  /** Each decision once, however many letters it was about. The first means none: a replay. */
  readonly #discards: Array<Discard | undefined> = [undefined]
  readonly #indexes = new Map<string, number>()

  static async read ({ reader, topics, topic }: Source, output: Output): Promise<OperatorLog> {
    const log = new OperatorLog()
    const letters = deadLetterTopic(topic)
    if (!topics.has(operatorLogTopic(topic))) return log
    for (let partition = 0; partition < (topics.get(letters) ?? 0); partition++) {
      const { low, high } = await reader.bounds(letters, partition)
      log.#partitions.push({ low, sums: new Uint32Array(high - low), discards: new Uint32Array(high - low) })
    }
    const seen = counter(output, operatorLogTopic(topic), 'records read', await recordsIn(reader, topics, operatorLogTopic(topic)))
    for await (const { key, value } of reader.read(operatorLogTopic(topic))) {
      seen()
      log.#add(String(key), String(value))
    }
    return log
  }

  statusOf (item: DeadLetter | Unrecognised): Status {
    if (!item.isLetter) return { state: 'foreign' }
    const { record: { partition, offset }, origin, isMisplaced } = item
    const found = this.#partitions[partition]
    const isLogged = found?.sums[offset - found.low] === sumOf(origin)
    const discard = isLogged ? this.#discards[found.discards[offset - found.low] ?? 0] : undefined
    if (discard !== undefined) return { state: 'discarded', discard }
    if (isMisplaced) return { state: 'foreign' }
    return { state: isLogged ? 'replayed' : 'new' }
  }

  #add (key: string, value: string): void {
    const [partition = -1, offset = -1] = key.split(':').map(Number)
    const found = this.#partitions[partition]
    const entry = parse(value)
    if (!found || !entry?.origin || offset < found.low) return
    found.sums[offset - found.low] = sumOf(entry.origin)
    found.discards[offset - found.low] = this.#indexOf(entry.discarded)
  }

  #indexOf (discarded: unknown): number {
    if (typeof discarded !== 'object' || discarded === null) return 0
    const { by, why, time } = discarded as Record<string, unknown>
    const discard = { by: textOf(by), why: textOf(why), time: textOf(time) }
    const text = JSON.stringify(discard)
    const index = this.#indexes.get(text) ?? this.#discards.push(discard) - 1
    this.#indexes.set(text, index)
    return index
  }
}

/** The record that remembers a replay. */
export function replayEntry (topic: string, letter: { place: string, origin: DeadLetter['origin'] }, to: Delivery): OutgoingMessage {
  return { topic: operatorLogTopic(topic), key: letter.place, value: { origin: letter.origin, replayed: { ...to, time: new Date().toISOString() } } }
}

/** The record that remembers a discard. Versions of this tool that know none take it for a replay, and leave the letter out too. */
export function discardEntry (topic: string, { record, origin }: DeadLetter, discarded: Discard): OutgoingMessage {
  return { topic: operatorLogTopic(topic), key: placeOf(record), value: { origin, discarded } }
}

/** Places begin again at 0 when a dead-letter topic is created again, so an entry counts only for a letter of the same origin. */
function sumOf ({ topic, partition, offset, time }: DeadLetter['origin']): number {
  return crc32([topic, partition, offset, time].map(textOf).join(' ')) || 1 // 0 means no entry
}

/** A member of a record that anybody may have written. */
const textOf = (value: unknown): string => typeof value === 'string' || typeof value === 'number' ? String(value) : '-'

function parse (value: string): { origin?: DeadLetter['origin'], discarded?: unknown } | null | undefined {
  try {
    return JSON.parse(value)
  } catch {
    return undefined // not written by this tool
  }
}
