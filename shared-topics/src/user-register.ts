import { unicode, type Event, type Topic } from '@pair/events'
import { Type, type Static } from 'typebox'

const dayMs = 24 * 60 * 60 * 1000

const data = Type.Object({
  // A UUID of any version. The length excludes the form urn:uuid:…, which the format allows.
  id: Type.String({ format: 'uuid', maxLength: 36, description: 'Id of the user.' }),
  // The writer decides which addresses and names are valid; readers need only the maximum length.
  email: Type.String({ minLength: 1, maxLength: 254, pattern: unicode, description: 'Email address of the user, as it was given.' }),
  username: Type.String({ minLength: 1, maxLength: 32, pattern: unicode, description: 'Name of the user.' })
}, { description: 'The user who has registered.' })

export type UserRegister = Static<typeof data>

export const userRegisterExample: Event<UserRegister> = {
  specversion: '1.0',
  id: '01990f3c-6d2a-7c4e-8a54-0f2d4c1b7e21',
  source: '/user-service',
  type: 'user_register',
  subject: '01990f3c-6d29-7b1d-9c3f-5a6b7c8d9e0f',
  time: '2026-01-31T12:00:00.000Z',
  datacontenttype: 'application/json',
  dataschema: 'urn:user_register:1',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  data: {
    id: '01990f3c-6d29-7b1d-9c3f-5a6b7c8d9e0f',
    email: 'user@example.com',
    username: 'imbatman'
  }
}

export const userRegister = {
  name: 'user_register',
  description: 'A user has registered. Keyed by the user\'s id, so that the events of one user keep their order.',
  version: 1,
  partitions: 4,
  config: {
    'retention.ms': String(7 * dayMs),
    // One day. With Kafka's default of a week, a record could stay for up to twice the retention: see retention.ts.
    'segment.ms': String(dayMs),
    'max.message.bytes': String(1024 * 1024),
    // The broker's clock. With the writer's, a wrong clock would get events removed too early, or refused.
    'message.timestamp.type': 'LogAppendTime'
  },
  data,
  example: userRegisterExample
} as const satisfies Topic
