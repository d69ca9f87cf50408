import type { Event, Topic } from '@pair/events'
import { Type, type Static } from 'typebox'
import { email, id, name } from './values.js'

const dayMs = 24 * 60 * 60 * 1000

const data = Type.Object({ id: id('Id of the user, given by the gateway.'), name, email }, { description: 'The user to create.' })

export type CreateUser = Static<typeof data>

export const createUserExample: Event<CreateUser> = {
  specversion: '1.0',
  id: '01990f3c-6d2a-7c4e-8a54-0f2d4c1b7e21',
  source: '/api-gateway-service',
  type: 'create_user',
  subject: '01990f3c-6d29-7b1d-9c3f-5a6b7c8d9e0f',
  time: '2026-01-31T12:00:00.000Z',
  datacontenttype: 'application/json',
  dataschema: 'urn:create_user:1',
  data: { id: '01990f3c-6d29-7b1d-9c3f-5a6b7c8d9e0f', name: 'Bruce Wayne', email: 'bruce@example.com' }
}

export const createUser = {
  name: 'create_user',
  description: 'A command: create this user. Keyed by the id of the user.',
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
  example: createUserExample
} as const satisfies Topic
