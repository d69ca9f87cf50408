import { TopicReader, type ClientOptions, type StoredMessage } from 'shared-kafka'
import { deadLetterTopic } from 'shared-topics'
import type { Position } from './arguments.js'
import { exitCodes, OperatorError } from './errors.js'

/** Where letters are read from. */
export interface Source {
  reader: TopicReader
  /** All topics of the broker, and how many partitions each has. */
  topics: Map<string, number>
  /** Whose dead letters are meant. */
  topic: string
}

/** The one place for further librdkafka properties (TLS, SASL, …) of this tool's clients. @throws OperatorError */
export function connection (env: NodeJS.ProcessEnv): ClientOptions {
  const brokers = env['KAFKA_BROKERS'] ?? ''
  const isRight = /^([^\s,:/[\]]+|\[[0-9a-fA-F:]+\]):\d{1,5}$/
  if (!brokers.split(',').every(broker => isRight.test(broker))) {
    throw new OperatorError(`KAFKA_BROKERS must be host:port,host:port${brokers === '' ? ', and is not set' : ''}`, exitCodes.usage)
  }
  return { 'metadata.broker.list': brokers, 'client.id': 'dlq' }
}

/** @throws OperatorError where there is no such topic; KafkaError where no broker answers within 10 s */
export async function openSource (reader: TopicReader, topic: string): Promise<Source> {
  const topics = await reader.topics()
  const letters = deadLetterTopic(topic)
  if (!topics.has(letters)) throw new OperatorError(`There is no topic ${letters} on this broker`, exitCodes.kafka)
  return { reader, topics, topic }
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
