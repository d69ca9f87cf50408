import { TopicReader, type ClientOptions, type StoredMessage } from '@pair/kafka'
import { connection, readVariable } from '@pair/kafka/connection'
import { deadLetterTopic, kafkaName, replayableForMs } from '@pair/events'
import { allTopics } from '@pair/shared-topics'
import type { Position, Wanted } from './arguments.js'
import { placeOf } from './dead-letter.js'
import { exitCodes, OperatorError } from './errors.js'
import { mismatchOf, type Mismatch } from './filter.js'
import { topicsMeant } from './topics.js'

/** The dead letters of one topic that a command is about. */
export interface Source {
  reader: TopicReader
  /** All topics of the broker, and how many partitions each has. */
  topics: Map<string, number>
  /** Whose dead letters are meant, by its name on the broker. */
  topic: string
  /** Before the place of a letter in what is printed: its topic, where the operator has not named one. */
  idPrefix: string
  /** Those that the operator has named, or all, of which those that match are meant. */
  letters: Position[] | 'all'
  mismatch: Mismatch
  /** How old its messages may be that are replayed, in ms; Infinity where the contract does not have it. */
  replayableForMs: number
}

/** Options of this tool's clients, from the variables that the services read. @throws OperatorError */
export function clientOptions (env: NodeJS.ProcessEnv): ClientOptions {
  return { ...readSetting(() => connection(env)), 'client.id': 'dlq' }
}

/** A topic's name on the broker, with KAFKA_PREFIX before it. @throws OperatorError where that can be in no name */
export function nameOnBroker (env: NodeJS.ProcessEnv, topic: string): string {
  const prefix = readSetting(() => readVariable(env, 'KAFKA_PREFIX')) ?? ''
  if (!/^[a-zA-Z0-9._-]{0,100}$/.test(prefix)) throw new OperatorError('KAFKA_PREFIX must be letters, digits, ".", "_" and "-", at most 100', exitCodes.usage)
  return kafkaName(prefix, topic)
}

function readSetting<Value> (read: () => Value): Value {
  try {
    return read()
  } catch (error) {
    throw new OperatorError((error as Error).message, exitCodes.usage)
  }
}

/**
 * @param nameOf the broker's name of a topic or group
 * @throws OperatorError where there is no such topic, or it is unclear which one is meant; KafkaError where no broker answers within 10 s
 */
export async function openSources (reader: TopicReader, nameOf: (name: string) => string, wanted: Wanted): Promise<Source[]> {
  const topics = await reader.topics()
  const mismatch = mismatchOf(wanted.filter, nameOf)
  return [...topicsMeant(topics, nameOf(''), wanted)].map(([name, letters]) => {
    const topic = nameOf(name)
    if (!topics.has(deadLetterTopic(topic))) throw new OperatorError(`There is no topic ${deadLetterTopic(topic)} on this broker`, exitCodes.kafka)
    const declared = allTopics.find(declared => declared.name === name)
    return {
      reader,
      topics,
      topic,
      idPrefix: wanted.topic === undefined ? `${name}:` : '',
      letters,
      mismatch,
      replayableForMs: declared === undefined ? Infinity : replayableForMs(declared)
    }
  })
}

/** How many records `recordsOf` reads; gaps among the offsets count. */
export async function numberOf ({ reader, topics, topic, letters }: Source): Promise<number> {
  return letters === 'all' ? await recordsIn(reader, topics, deadLetterTopic(topic)) : letters.length
}

/** How many records a topic has; gaps among the offsets count. */
export async function recordsIn (reader: TopicReader, topics: Map<string, number>, topic: string): Promise<number> {
  const partitions = Array.from({ length: topics.get(topic) ?? 0 }, (_, partition) => partition)
  const bounds = await Promise.all(partitions.map(async partition => await reader.bounds(topic, partition)))
  return bounds.reduce((sum, { low, high }) => sum + high - low, 0)
}

/** The named records, else all of the topic; `isGone` is called with those that are not there (any more), and why. */
export async function * recordsOf (source: Source, isGone: (letter: string, why: string) => Promise<void>): AsyncGenerator<StoredMessage, void, undefined> {
  if (source.letters === 'all') return yield * source.reader.read(deadLetterTopic(source.topic))
  for (const at of source.letters) {
    const record = await recordAt(source, at)
    if (typeof record === 'string') await isGone(source.idPrefix + placeOf(at), record)
    else yield record
  }
}

/** Returns the record, or the reason why it is not there (any more). */
async function recordAt ({ reader, topics, topic }: Source, { partition, offset }: Position): Promise<StoredMessage | string> {
  const letters = deadLetterTopic(topic)
  const partitions = topics.get(letters) ?? 0
  if (partition >= partitions) return `${letters} has the partitions 0 to ${partitions - 1}`
  const { low, high } = await reader.bounds(letters, partition)
  if (low === high) return `partition ${partition} of ${letters} is empty`
  if (offset < low || offset >= high) return `partition ${partition} of ${letters} holds ${low} to ${high - 1}`
  const records = reader.read(letters, { partition, offset })
  const { value: record } = await records.next()
  await records.return()
  return record?.offset === offset ? record : `${letters} holds no record at this offset`
}
