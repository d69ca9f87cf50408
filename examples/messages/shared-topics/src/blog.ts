import { unicode, type Event, type Topic } from '@pair/events'
import { Type, type Static } from 'typebox'

const dayMs = 24 * 60 * 60 * 1000

const data = Type.Object({
  sender: Type.String({ minLength: 1, maxLength: 100, pattern: unicode, description: 'Who sends the message.' }),
  receiver: Type.String({ minLength: 1, maxLength: 100, pattern: unicode, description: 'Who is to receive it. Messages of one receiver keep their order.' }),
  message: Type.String({ minLength: 1, maxLength: 10_000, pattern: unicode, description: 'The text.' })
}, { description: 'The message.' })

export type Blog = Static<typeof data>

export const blogExample: Event<Blog> = {
  specversion: '1.0',
  id: '01990f3c-6d2a-7c4e-8a54-0f2d4c1b7e21',
  source: '/producer-service',
  type: 'blog',
  subject: 'consumer',
  time: '2026-01-31T12:00:00.000Z',
  datacontenttype: 'application/json',
  dataschema: 'urn:blog:1',
  data: {
    sender: 'producer',
    receiver: 'consumer',
    message: 'KAFKA!'
  }
}

export const blog = {
  name: 'blog',
  description: 'A message was posted. Keyed by its receiver: the messages of one receiver keep their order.',
  version: 1,
  partitions: 4,
  config: {
    'retention.ms': String(7 * dayMs),
    // Kafka's default of a week would let it keep a record for up to twice the retention.
    'segment.ms': String(dayMs),
    'max.message.bytes': String(1024 * 1024),
    // By the broker's clock alone: a writer whose clock is wrong would have its events removed too early, or refused.
    'message.timestamp.type': 'LogAppendTime'
  },
  data,
  example: blogExample
} as const satisfies Topic
