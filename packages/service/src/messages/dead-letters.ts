import { isUtf8 } from 'node:buffer'
import type { Headers, Message, OutgoingMessage, TopicDeclaration } from '@pair/kafka'
import { deadLetterTopic, firstTimestamp, firstTimestampHeader, headerText, type Topic } from '@pair/events'

/** A record of a dead-letter topic. */
export type DeadLetter = OutgoingMessage & { headers: Headers }

/** For the headers that are added. */
const roomForHeaders = 64 * 1024
const longestErrorBytes = 1000

/** What is left out, should the broker refuse the letter as it is; where it came from is always told. */
export const cuts = ['nothing', 'headers', 'value'] as const
export type Cut = typeof cuts[number]

export interface Failure {
  /** `not-decodable`, `not-valid`, `refused` by the database or its handler, `failed` after 5 attempts, or `crashed`: it ended the process. */
  reason: 'not-decodable' | 'not-valid' | 'refused' | 'failed' | 'crashed'
  /** What happened, in words that quote nothing of the message. Of any length: see `errorText`. */
  error: string
  /** How often it was handled. */
  attempts: number
}

/** The largest dead letter of a topic in bytes, which its topic must take. */
export function largestDeadLetter (topic: Topic): number {
  return Number(topic.config['max.message.bytes']) + roomForHeaders
}

/** The dead-letter topic of a topic, to be created. */
export function deadLetterDeclaration (topic: Topic): TopicDeclaration {
  return {
    name: deadLetterTopic(topic.name),
    partitions: topic.partitions,
    config: { ...topic.config, 'max.message.bytes': String(largestDeadLetter(topic)) }
  }
}

/** What happened, as it stands in the header and in the log. */
export function errorText ({ error }: Failure): string {
  return headerText(error, longestErrorBytes)
}

/** The original key and value, byte for byte; what happened and where it came from are headers. */
export function deadLetter (message: Message, failure: Failure, group: string, cut: Cut = 'nothing'): DeadLetter {
  const { carried, dropped } = ownHeaders(message)
  const first = firstTimestamp(message)
  const about = {
    'dlq.reason': failure.reason,
    'dlq.error': errorText(failure),
    'dlq.attempts': String(failure.attempts),
    'dlq.group': group,
    'dlq.topic': message.topic,
    'dlq.partition': String(message.partition),
    'dlq.offset': String(message.offset),
    'dlq.timestamp': String(message.timestamp),
    ...(first === message.timestamp ? {} : { [firstTimestampHeader]: String(first) }), // of a replay
    ...(cut === 'nothing' ? {} : { 'dlq.cut': cut }),
    ...(cut === 'nothing' && dropped > 0 ? { 'dlq.headers.dropped': String(dropped) } : {})
  }
  return {
    topic: deadLetterTopic(message.topic),
    key: message.key,
    value: cut === 'value' ? null : message.value,
    headers: [...(cut === 'nothing' ? carried : []), ...Object.entries(about).map(([name, text]) => ({ [name]: headerText(text) }))]
  }
}

/**
 * The message's own headers as far as the client can carry them (text without NUL characters), without those of an
 * earlier stay in a dead-letter topic.
 */
function ownHeaders (message: Message): { carried: Headers, dropped: number } {
  const own = message.headers.flatMap(header => Object.entries(header)).filter(([name]) => !name.startsWith('dlq.'))
  const carried = own.filter(([name, bytes]) => !name.includes('\0') && isUtf8(bytes) && !bytes.includes(0))
  return { carried: carried.map(([name, bytes]) => ({ [name]: bytes.toString() })), dropped: own.length - carried.length }
}
