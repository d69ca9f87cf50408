import { TopicReader, type ClientOptions, type StoredMessage } from '@pair/kafka'
import { connection, readVariable } from '@pair/kafka/connection'
import { deadLetterTopic, kafkaName, replayableForMs } from '@pair/events'
import { allTopics } from '@pair/shared-topics'
import type { Position } from './arguments.js'
import { exitCodes, OperatorError } from './errors.js'

/** Where letters are read from. */
export interface Source {
  reader: TopicReader
  /** All topics of the broker, and how many partitions each has. */
  topics: Map<string, number>
  /** Whose dead letters are meant, by its name on the broker. */
  topic: string
  /** How old its messages may be that are replayed, in ms; Infinity where the contract does not have it. */
  replayableForMs: number
  /** Whether letters of this consumer group are meant. */
  isOf: (group: string | null) => boolean
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
 * @param wanted topic, and the consumer group whose letters are meant; a group also as the broker knows it, copied from a list
 * @throws OperatorError where there is no such topic; KafkaError where no broker answers within 10 s
 */
export async function openSource (reader: TopicReader, nameOf: (name: string) => string, wanted: { topic: string, group?: string | undefined }): Promise<Source> {
  const topic = nameOf(wanted.topic)
  const groups = wanted.group === undefined ? undefined : [wanted.group, nameOf(wanted.group)]
  const topics = await reader.topics()
  const letters = deadLetterTopic(topic)
  if (!topics.has(letters)) throw new OperatorError(`There is no topic ${letters} on this broker`, exitCodes.kafka)
  const declared = allTopics.find(({ name }) => name === wanted.topic)
  return {
    reader,
    topics,
    topic,
    replayableForMs: declared === undefined ? Infinity : replayableForMs(declared),
    isOf: group => groups === undefined || (group !== null && groups.includes(group))
  }
}

/** @throws OperatorError where there is no such record (any more) */
export async function recordAt ({ reader, topics, topic }: Source, { partition, offset }: Position): Promise<StoredMessage> {
  const letters = deadLetterTopic(topic)
  const notThere = (why: string) => new OperatorError(`${partition}:${offset} is not there: ${why}`, exitCodes.failed)
  const partitions = topics.get(letters) ?? 0
  if (partition >= partitions) throw notThere(`${letters} has the partitions 0 to ${partitions - 1}`)
  const { low, high } = await reader.bounds(letters, partition)
  if (low === high) throw notThere(`partition ${partition} of ${letters} is empty`)
  if (offset < low || offset >= high) throw notThere(`partition ${partition} of ${letters} holds ${low} to ${high - 1}`)
  const records = reader.read(letters, { partition, offset })
  const { value: record } = await records.next()
  await records.return()
  if (record?.offset !== offset) throw notThere(`${letters} holds no record at this offset`)
  return record
}

/** The records at these places; `isGone` is told which are not there (any more), and why. */
export async function * recordsAt (source: Source, letters: Position[], isGone: (letter: string, why: string) => Promise<void>): AsyncGenerator<StoredMessage, void, undefined> {
  for (const at of letters) {
    const record = await recordAt(source, at).catch(async error => {
      if (!(error instanceof OperatorError) || error.exitCode !== exitCodes.failed) throw error
      await isGone(`${at.partition}:${at.offset}`, error.message.replace(/^\S+ is /, ''))
    })
    if (record) yield record
  }
}
