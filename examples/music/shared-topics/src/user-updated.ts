import { unicode, type Event, type Topic } from '@pair/events'
import { Type, type Static } from 'typebox'

const dayMs = 24 * 60 * 60 * 1000

const data = Type.Object({
  id: Type.String({ format: 'uuid', maxLength: 36, description: 'Id of the user.' }),
  username: Type.String({ minLength: 1, maxLength: 100, pattern: unicode, description: 'Name of the user.' }),
  email: Type.String({ format: 'email', maxLength: 254, description: 'Where the welcome mail is sent.' })
}, { description: 'The user, without a password: a topic keeps what it is given, and everybody who may read it reads it.' })

export type UserUpdated = Static<typeof data>

export const userUpdatedExample: Event<UserUpdated> = {
  specversion: '1.0',
  id: '01990f3c-6d2a-7c4e-8a54-0f2d4c1b7e21',
  source: '/accounts-service',
  type: 'com.clonespotify.accounts.users.integration.user-updated',
  subject: '01990f3c-6d29-7b1d-9c3f-5a6b7c8d9e0f',
  time: '2026-01-31T12:00:00.000Z',
  datacontenttype: 'application/json',
  dataschema: 'urn:com.clonespotify.accounts.users.integration.user-updated:1',
  data: {
    id: '01990f3c-6d29-7b1d-9c3f-5a6b7c8d9e0f',
    username: 'john_doe',
    email: 'john.doe@example.com'
  }
}

export const userUpdated = {
  name: 'com.clonespotify.accounts.users.integration.user-updated',
  description: 'A user was created. (The name is the one that the article gives it.) Keyed by the id of the user.',
  version: 1,
  partitions: 4,
  config: {
    'retention.ms': String(7 * dayMs),
    // One day. With Kafka's default of a week, a record could stay for up to twice the retention.
    'segment.ms': String(dayMs),
    'max.message.bytes': String(1024 * 1024),
    // The broker's clock. With the writer's, a wrong clock would get events removed too early, or refused.
    'message.timestamp.type': 'LogAppendTime'
  },
  data,
  example: userUpdatedExample
} as const satisfies Topic
