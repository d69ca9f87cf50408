import { isUtf8 } from 'node:buffer'
import type { Headers, Message, OutgoingMessage, TopicDeclaration } from '@pair/kafka'
import { deadLetterTopic, firstTimestamp, firstTimestampHeader, headerText, type DeadLetterReason, type Topic } from '@pair/events'
import type { Origin } from './consumer.js'

/** A record of a dead-letter topic. */
export type DeadLetter = OutgoingMessage & { headers: Headers }

/** Bytes added to the topic's maximum for the `dlq.*` headers. */
const headersBytes = 64 * 1024
const longestErrorBytes = 1000

/** What a dead letter leaves out, step by step, if the broker refuses it; the `dlq.*` headers are always included. */
export const cuts = ['nothing', 'headers', 'value'] as const
export type Cut = typeof cuts[number]

export interface Failure {
  /** `not-decodable`, `not-valid`, `refused` by the database or the handler, `failed` after 5 attempts, `crashed`: its handling killed the process. */
  reason: DeadLetterReason
  /** Description that quotes nothing of the message. Of any length: `errorText` shortens it. */
  error: string
  /** Number of times that the handler ran. */
  attempts: number
}

/** The largest dead letter of a topic in bytes: the `max.message.bytes` of its dead-letter topic. */
export function largestDeadLetter (topic: Topic): number {
  return Number(topic.config['max.message.bytes']) + headersBytes
}

/** The declaration with which the dead-letter topic of a topic is created. */
export function deadLetterDeclaration (topic: Topic): TopicDeclaration {
  return {
    name: deadLetterTopic(topic.name),
    partitions: topic.partitions,
    config: { ...topic.config, 'max.message.bytes': String(largestDeadLetter(topic)) }
  }
}

export function originOf ({ topic, partition, offset, timestamp, key }: Message): Origin {
  return { topic, partition, offset, timestamp, key: key?.toString() ?? null }
}

/** The failure's description as written to the header and the log, at most 1000 bytes. */
export function errorText ({ error }: Failure): string {
  return headerText(error, longestErrorBytes)
}

/** Builds the dead letter: the original key and value, byte for byte; failure and origin are headers. */
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
    ...(first === message.timestamp ? {} : { [firstTimestampHeader]: String(first) }), // only on replays
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
 * The original headers that the client can send (UTF-8 without NUL characters), without the `dlq.*` headers of an earlier
 * dead letter.
 */
function ownHeaders (message: Message): { carried: Headers, dropped: number } {
  const own = message.headers.flatMap(header => Object.entries(header)).filter(([name]) => !name.startsWith('dlq.'))
  const carried = own.filter(([name, bytes]) => !name.includes('\0') && isUtf8(bytes) && !bytes.includes(0))
  return { carried: carried.map(([name, bytes]) => ({ [name]: bytes.toString() })), dropped: own.length - carried.length }
}
