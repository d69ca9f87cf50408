import type { TopicDeclaration } from 'shared-kafka'
import { deadLetterTopic, eventSchema, type Event, type Topic } from 'shared-topics'
import { Type, type TSchema } from 'typebox'
import { deadLetterDeclaration } from '../messages/dead-letters.js'

/** A topic that a service sends or receives, and one of its events. */
export interface TopicOfService { topic: Topic, example: Event }

export interface AsyncApiOptions {
  /** Of the service. */
  title: string
  sends?: TopicOfService[]
  /** What of these cannot be processed is sent to their dead-letter topics. */
  receives?: TopicOfService[]
}

export interface EventMessage { name: string, contentType: string, headers?: TSchema, payload?: TSchema, examples?: Array<{ payload: Event }> }

export type AsyncApi = ReturnType<typeof asyncApi>

/** What a dead letter has beside the headers of the message. */
const deadLetterHeaders = Type.Object({
  'dlq.reason': Type.String({ enum: ['not-decodable', 'not-valid', 'refused', 'failed'] }),
  'dlq.error': Type.String({ description: 'what happened; quotes nothing of the message' }),
  'dlq.attempts': Type.String({ description: 'how often it was handled' }),
  'dlq.group': Type.String({ description: 'the consumer group that failed' }),
  'dlq.topic': Type.String({ description: 'where it was' }),
  'dlq.partition': Type.String(),
  'dlq.offset': Type.String(),
  'dlq.timestamp': Type.String({ description: 'of the message, in ms since 1970' }),
  'dlq.cut': Type.Optional(Type.String({ enum: ['headers', 'value'], description: 'left out, because the broker refused the letter for its size' })),
  'dlq.headers.dropped': Type.Optional(Type.String({ description: 'how many headers of the message are not here, because they are not text' }))
})

/**
 * The AsyncAPI document of a service: what it sends and receives, from the schemas that check it.
 *
 * @see https://www.asyncapi.com/docs/reference/specification/v3.1.0
 */
export function asyncApi ({ title, sends = [], receives = [] }: AsyncApiOptions) {
  const events = [...sends, ...receives]
  return {
    asyncapi: '3.1.0',
    info: { title, version: '1.0.0', description: 'Its events, from the schemas that check them.' },
    channels: Object.fromEntries([
      ...events.map(eventChannel),
      ...receives.map(deadLetterChannel)
    ].map(channel => [channel.address, channel])),
    operations: Object.fromEntries([
      ...sends.map(({ topic }) => operation('send', topic.name)),
      ...receives.map(({ topic }) => operation('receive', topic.name)),
      ...receives.map(({ topic }) => operation('send', deadLetterTopic(topic.name)))
    ])
  }
}

function eventChannel ({ topic, example }: TopicOfService) {
  return channel(topic, topic.description, {
    contentType: 'application/cloudevents+json',
    payload: eventSchema(topic),
    examples: [{ payload: example }]
  })
}

function deadLetterChannel ({ topic }: TopicOfService) {
  return channel(deadLetterDeclaration(topic), `What of ${topic.name} cannot be processed: key, value and headers as they were, and why.`, {
    contentType: 'application/octet-stream',
    headers: deadLetterHeaders
  })
}

function channel (topic: TopicDeclaration, description: string, message: Omit<EventMessage, 'name'>) {
  const { 'retention.ms': retention, 'max.message.bytes': largest, ...rest } = topic.config ?? {}
  const topicConfiguration = { 'retention.ms': Number(retention), 'max.message.bytes': Number(largest), ...rest }
  return {
    address: topic.name,
    description,
    messages: { [topic.name]: { name: topic.name, ...message } },
    bindings: { kafka: { partitions: topic.partitions, topicConfiguration, bindingVersion: '0.5.0' } }
  }
}

function operation (action: 'send' | 'receive', topic: string) {
  return [`${action}_${topic}`, { action, title: `${action} ${topic}`, channel: { $ref: `#/channels/${topic}` } }] as const
}
