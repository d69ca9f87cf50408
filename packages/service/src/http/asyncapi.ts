import type { TopicDeclaration } from '@pair/kafka'
import { deadLetterReasons, deadLetterTopic, eventSchema, replySchemas, replyTopic, type Event, type RequestTopic, type Topic } from '@pair/events'
import { Type, type TSchema } from 'typebox'
import { deadLetterDeclaration } from '../messages/dead-letters.js'

export interface AsyncApiOptions {
  /** Title of the service. */
  title: string
  /** Consumer group of the service, as the broker knows it. */
  group: string
  sends?: Topic[]
  /** A message of these that cannot be processed is sent to the topic's dead-letter topic. */
  receives?: Topic[]
  /** Name of a topic on the broker, with KAFKA_PREFIX. */
  addressOf?: (name: string) => string
}

export interface EventMessage { name: string, contentType: string, correlationId?: { location: string }, headers?: TSchema, payload?: TSchema, examples?: Array<{ payload: Event }> }

export type AsyncApi = ReturnType<typeof asyncApi>

/** Headers that a dead letter has in addition to those of the message. */
const deadLetterHeaders = Type.Object({
  'dlq.reason': Type.String({ enum: [...deadLetterReasons], description: 'Kind of the failure.' }),
  'dlq.error': Type.String({ description: 'Text of the error. It quotes nothing of the message.' }),
  'dlq.attempts': Type.String({ description: 'Number of times the handler was called.' }),
  'dlq.group': Type.String({ description: 'Consumer group that could not process the message.' }),
  'dlq.topic': Type.String({ description: 'Topic of the message.' }),
  'dlq.partition': Type.String({ description: 'Partition of the message.' }),
  'dlq.offset': Type.String({ description: 'Offset of the message.' }),
  'dlq.timestamp': Type.String({ description: 'Timestamp of the message, in ms since 1970.' }),
  'dlq.first.timestamp': Type.Optional(Type.String({ description: 'After a replay: timestamp of the original message, in ms since 1970.' })),
  'dlq.cut': Type.Optional(Type.String({ enum: ['headers', 'value'], description: 'Set if the broker refused the dead letter for its size: the part that was left out.' })),
  'dlq.headers.dropped': Type.Optional(Type.String({ description: 'Number of headers of the message that were left out because they are not text.' }))
})

/**
 * The AsyncAPI document of a service: the events it sends and receives, from the schemas that check them. A topic of requests
 * names its reply topic, both where the service asks and where it answers.
 *
 * @see https://www.asyncapi.com/docs/reference/specification/v3.1.0
 */
export function asyncApi ({ title, group, sends = [], receives = [], addressOf = name => name }: AsyncApiOptions) {
  const events = [...sends, ...receives]
  return {
    asyncapi: '3.1.0',
    info: { title, version: '1.0.0', description: 'The events that this service sends and receives.' },
    channels: Object.fromEntries([
      ...events.map(eventChannel),
      ...events.filter(isRequest).map(replyChannel),
      ...receives.map(deadLetterChannel)
    ].map(channel => [channel.address, { ...channel, address: addressOf(channel.address) }])),
    operations: Object.fromEntries([...sends.map(sent), ...receives.map(received), ...receives.map(deadLettered)])
  }

  function sent (topic: Topic) {
    return operation('send', topic, isRequest(topic)
      ? 'Requests of this service. Each instance reads all partitions of the reply topic, in no consumer group.'
      : 'Published by this service.')
  }

  function received (topic: Topic) {
    const bindings = { kafka: { groupId: { type: 'string', enum: [group] }, bindingVersion: '0.5.0' } }
    return operation('receive', topic, `Read by the consumer group ${group}.`, bindings)
  }

  function deadLettered ({ name }: Topic) {
    return operation('send', { name: deadLetterTopic(name) }, `Messages that the consumer group ${group} could not process.`)
  }

  function operation (action: 'send' | 'receive', topic: Topic | { name: string }, description: string, bindings?: object) {
    const reply = isRequest(topic) ? { channel: channelOf(replyTopic(topic).name) } : undefined
    return [`${action}_${topic.name}`, { action, title: `${action} ${addressOf(topic.name)}`, description, channel: channelOf(topic.name), reply, bindings }] as const
  }
}

interface Reference { $ref: string }
const channelOf = (topic: string): Reference => ({ $ref: `#/channels/${topic}` })

const isRequest = (topic: Topic | { name: string }): topic is RequestTopic => 'reply' in topic && topic.reply !== undefined

const contentType = 'application/cloudevents+json'
const correlationId = { location: '$message.payload#/correlationid' }

function eventChannel (topic: Topic) {
  return channel(topic, topic.description, {
    name: topic.name,
    contentType,
    ...(isRequest(topic) && { correlationId }),
    payload: eventSchema(topic),
    examples: topic.example === undefined ? [] : [{ payload: topic.example }]
  })
}

function replyChannel (topic: RequestTopic) {
  const replies = replyTopic(topic)
  return channel(replies, replies.description, ...Object.entries(replySchemas(topic)).map(([name, payload]) => ({ name, contentType, correlationId, payload })))
}

function deadLetterChannel (topic: Topic) {
  const declaration = deadLetterDeclaration(topic)
  return channel(declaration, `Messages of ${topic.name} that could not be processed: key, value and headers unchanged, and the reason as further headers.`, {
    name: declaration.name,
    contentType: 'application/octet-stream',
    headers: deadLetterHeaders
  })
}

function channel (topic: TopicDeclaration, description: string, ...messages: EventMessage[]) {
  const { 'retention.ms': retention, 'max.message.bytes': largest, ...rest } = topic.config ?? {}
  const topicConfiguration = { 'retention.ms': Number(retention), 'max.message.bytes': Number(largest), ...rest }
  return {
    address: topic.name,
    description,
    messages: Object.fromEntries(messages.map(message => [message.name, message])),
    bindings: { kafka: { partitions: topic.partitions, topicConfiguration, bindingVersion: '0.5.0' } }
  }
}
