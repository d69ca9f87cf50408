import { crc32 } from 'node:zlib'
import { deadLetterTopic } from '@pair/events'
import type { Delivery, OutgoingMessage, TopicReader } from '@pair/kafka'
import type { Letter } from './letter.js'

/**
 * Where it is remembered which letters were replayed: on the broker, so that all operators share it, keyed by the
 * letter's place, and compacted, so that it stays small and is never too old.
 */
export const marksTopic = (topic: string) => `${deadLetterTopic(topic)}.replayed`
export const marksConfig = { 'cleanup.policy': 'compact' }

/** Which letters of a topic were replayed, in 4 bytes for each letter there is. */
export class Marks {
  readonly #partitions: Array<{ low: number, sums: Uint32Array }> = []

  /** @param topics names and numbers of partitions; without the topic of the marks, nothing was replayed yet */
  static async read (reader: TopicReader, topics: Map<string, number>, topic: string): Promise<Marks> {
    const marks = new Marks()
    const letters = deadLetterTopic(topic)
    if (!topics.has(marksTopic(topic))) return marks
    for (let partition = 0; partition < (topics.get(letters) ?? 0); partition++) {
      const { low, high } = await reader.bounds(letters, partition)
      marks.#partitions.push({ low, sums: new Uint32Array(high - low) })
    }
    for await (const { key, value } of reader.read(marksTopic(topic))) marks.#add(String(key), String(value))
    return marks
  }

  has ({ record: { partition, offset }, origin }: Letter): boolean {
    const found = this.#partitions[partition]
    return found?.sums[offset - found.low] === sumOf(origin)
  }

  #add (key: string, value: string): void {
    const [partition = -1, offset = -1] = key.split(':').map(Number)
    const found = this.#partitions[partition]
    const origin = originIn(value)
    if (found && origin && offset >= found.low) found.sums[offset - found.low] = sumOf(origin)
  }
}

/** The record that remembers a replay. */
export function mark (topic: string, id: string, origin: Letter['origin'], to: Delivery): OutgoingMessage {
  return { topic: marksTopic(topic), key: id, value: { origin, replayed: { ...to, time: new Date().toISOString() } } }
}

/** Places begin anew when a dead-letter topic is made anew, so a mark counts only for a letter of the same origin. */
function sumOf ({ topic, partition, offset, time }: Letter['origin']): number {
  return crc32(`${topic} ${partition} ${offset} ${time}`) || 1 // 0 is no mark
}

function originIn (value: string): Letter['origin'] | undefined {
  try {
    return JSON.parse(value)?.origin
  } catch {
    return undefined // not written by this tool
  }
}
