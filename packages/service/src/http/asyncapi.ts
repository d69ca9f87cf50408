import type { TopicDeclaration } from '@pair/kafka'
import { deadLetterTopic, eventSchema, replySchemas, replyTopic, type Event, type RequestTopic, type Topic } from '@pair/events'
import { Type, type TSchema } from 'typebox'
import { deadLetterDeclaration } from '../messages/dead-letters.js'

export interface AsyncApiOptions {
  /** Of the service. */
  title: string
  sends?: Topic[]
  /** What of these cannot be processed is sent to their dead-letter topics. */
  receives?: Topic[]
  /** The broker's name of a topic, where it is another one. */
  addressOf?: (name: string) => string
}

export interface EventMessage { name: string, contentType: string, correlationId?: { location: string }, headers?: TSchema, payload?: TSchema, examples?: Array<{ payload: Event }> }

export type AsyncApi = ReturnType<typeof asyncApi>

/** What a dead letter has beside the headers of the message. */
const deadLetterHeaders = Type.Object({
  'dlq.reason': Type.String({ enum: ['not-decodable', 'not-valid', 'refused', 'failed', 'crashed'] }),
  'dlq.error': Type.String({ description: 'what happened; quotes nothing of the message' }),
  'dlq.attempts': Type.String({ description: 'how often it was handled' }),
  'dlq.group': Type.String({ description: 'the consumer group that failed' }),
  'dlq.topic': Type.String({ description: 'where it was' }),
  'dlq.partition': Type.String(),
  'dlq.offset': Type.String(),
  'dlq.timestamp': Type.String({ description: 'of the message, in ms since 1970' }),
  'dlq.first.timestamp': Type.Optional(Type.String({ description: 'of a replay: of the message that it repeats, in ms since 1970' })),
  'dlq.cut': Type.Optional(Type.String({ enum: ['headers', 'value'], description: 'left out, because the broker refused the letter for its size' })),
  'dlq.headers.dropped': Type.Optional(Type.String({ description: 'how many headers of the message are not here, because they are not text' }))
})

/**
 * The AsyncAPI document of a service: what it sends and receives, from the schemas that check it. A topic of requests names
 * its replies, whether the service asks or answers.
 *
 * @see https://www.asyncapi.com/docs/reference/specification/v3.1.0
 */
export function asyncApi ({ title, sends = [], receives = [], addressOf = name => name }: AsyncApiOptions) {
  const events = [...sends, ...receives]
  const operation = (action: 'send' | 'receive', topic: string, reply?: { channel: Reference }) =>
    [`${action}_${topic}`, { action, title: `${action} ${addressOf(topic)}`, channel: channelOf(topic), reply }] as const
  const event = (action: 'send' | 'receive') => (topic: Topic) =>
    operation(action, topic.name, isRequest(topic) ? { channel: channelOf(replyTopic(topic).name) } : undefined)
  return {
    asyncapi: '3.1.0',
    info: { title, version: '1.0.0', description: 'Its events, from the schemas that check them.' },
    channels: Object.fromEntries([
      ...events.map(eventChannel),
      ...events.filter(isRequest).map(replyChannel),
      ...receives.map(deadLetterChannel)
    ].map(channel => [channel.address, { ...channel, address: addressOf(channel.address) }])),
    operations: Object.fromEntries([
      ...sends.map(event('send')),
      ...receives.map(event('receive')),
      ...receives.map(topic => operation('send', deadLetterTopic(topic.name)))
    ])
  }
}

interface Reference { $ref: string }
const channelOf = (topic: string): Reference => ({ $ref: `#/channels/${topic}` })

const isRequest = (topic: Topic): topic is RequestTopic => topic.reply !== undefined

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
  return channel(declaration, `What of ${topic.name} cannot be processed: key, value and headers as they were, and why.`, {
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
