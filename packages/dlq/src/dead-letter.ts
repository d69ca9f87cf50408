import type { OutgoingMessage, StoredMessage } from '@pair/kafka'
import { firstTimestamp, firstTimestampHeader, replayGroupsHeader } from '@pair/events'

/** A message that could not be processed, and what its headers say about that. */
export interface DeadLetter {
  isLetter: true
  /** Its own place, `partition:offset` on the dead-letter topic; before that `topic:` where no topic was named. */
  id: string
  reason: string
  error: string
  attempts: number
  /** The consumer group that could not process it; null in a letter that does not name one. */
  group: string | null
  /** The message that it was. `time` in ms since 1970, -1 where the broker gave none. */
  origin: { topic: string, partition: number, offset: number, time: number }
  /** When the message was first written, before any replay: as `origin.time`. */
  firstTime: number
  /** Its header names another topic than the one whose dead letters it lies among: no service has put it there. */
  isMisplaced: boolean
  /** What was left out, because the broker would not take the letter whole. */
  cut: 'nothing' | 'headers' | 'value'
  /** How many of its headers no client could carry on: they are not text. */
  droppedHeaders: number
  /** The message's own. */
  headers: StoredMessage['headers']
  record: StoredMessage
}

/** Something else on the dead-letter topic. */
export interface Unrecognised { isLetter: false, id: string, why: string, record: StoredMessage }

/** Its place on the dead-letter topic. */
export const placeOf = ({ partition, offset }: { partition: number, offset: number }) => `${partition}:${offset}`

const isTopic = (text: string) => /^[a-zA-Z0-9._-]{1,249}$/.test(text)
const isCount = (text: string) => /^\d{1,16}$/.test(text)
const isTime = (text: string) => text === '-1' || isCount(text)

/** What makes a record a dead letter: these headers (@pair/service's dead-letters.ts writes them). */
const needed: Record<string, (text: string) => boolean> = {
  'dlq.reason': text => text !== '',
  'dlq.error': () => true,
  'dlq.attempts': isCount,
  'dlq.topic': isTopic,
  'dlq.partition': isCount,
  'dlq.offset': isCount,
  'dlq.timestamp': isTime
}

/** Reads a record of the dead-letter topic of `topic`. Never throws: anybody may have written it. */
export function readDeadLetter (record: StoredMessage, { topic, idPrefix = '' }: { topic: string, idPrefix?: string }): DeadLetter | Unrecognised {
  const id = idPrefix + placeOf(record)
  const entries = record.headers.flatMap(header => Object.entries(header))
  const about = new Map(entries.map(([name, bytes]) => [name, bytes.toString()]))
  const text = (name: string) => about.get(name) ?? ''
  const unrecognised = (why: string): Unrecognised => ({ isLetter: false, id, why, record })
  for (const [name, isRight] of Object.entries(needed)) {
    if (!about.has(name)) return unrecognised(`no header ${name}`)
    if (!isRight(text(name))) return unrecognised(`header ${name} is not what a dead letter has there`)
  }
  const cut = about.get('dlq.cut') ?? 'nothing'
  if (cut !== 'nothing' && cut !== 'headers' && cut !== 'value') return unrecognised('header dlq.cut is neither headers nor value')
  if (!isCount(about.get('dlq.headers.dropped') ?? '0')) return unrecognised('header dlq.headers.dropped is not what a dead letter has there')
  return {
    isLetter: true,
    id,
    reason: text('dlq.reason'),
    error: text('dlq.error'),
    attempts: Number(text('dlq.attempts')),
    group: about.get('dlq.group') ?? null,
    origin: {
      topic: text('dlq.topic'),
      partition: Number(text('dlq.partition')),
      offset: Number(text('dlq.offset')),
      time: Number(text('dlq.timestamp'))
    },
    firstTime: firstTimestamp({ headers: record.headers, timestamp: Number(text('dlq.timestamp')) }),
    isMisplaced: text('dlq.topic') !== topic,
    cut,
    droppedHeaders: Number(about.get('dlq.headers.dropped') ?? 0),
    headers: entries.filter(([name]) => !name.startsWith('dlq.')).map(([name, bytes]) => ({ [name]: bytes })),
    record
  }
}

/**
 * The message as it was: key, value and headers, for its own topic. Its key chooses the partition, as it did for the
 * producer, so that it stays behind what the topic holds of this key already.
 *
 * @param groups the consumer groups that it is meant for; without, all of them
 */
export function originalMessage ({ origin, headers, record, firstTime }: DeadLetter, groups: string[] | undefined): OutgoingMessage & { headers: Array<Record<string, string | Buffer>> } {
  return {
    topic: origin.topic,
    key: record.key,
    value: record.value,
    headers: [
      // Bytes: the producer refuses those that it could not carry unchanged.
      ...headers,
      ...(firstTime < 0 ? [] : [{ [firstTimestampHeader]: String(firstTime) }]),
      ...(groups === undefined ? [] : [{ [replayGroupsHeader]: JSON.stringify(groups) }])
    ]
  }
}
