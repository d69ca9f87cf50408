import { requestConfig, type Request, type RequestTopic } from '@pair/events'
import { Type, type Static } from 'typebox'
import { email, id, name } from './values.js'

const data = Type.Object({ userId: id('Id of the user.') }, { description: 'Which user is asked for.' })

const reply = Type.Object({ id: id('Id of the user.'), name, email }, { description: 'The user. Errors: UNKNOWN_USER, and EMAIL_TAKEN for a sign-up that was refused.' })

export type GetUser = Static<typeof data>
export type User = Static<typeof reply>

export const getUserExample: Request<GetUser> = {
  specversion: '1.0',
  id: '01990f3c-6d2a-7c4e-8a54-0f2d4c1b7e21',
  source: '/api-gateway-service',
  type: 'get_user',
  subject: '9b2f0c1e-7d0a-4a56-8f0b-3a9f3f1f6c2d.1',
  time: '2026-01-31T12:00:00.000Z',
  datacontenttype: 'application/json',
  dataschema: 'urn:get_user:1',
  correlationid: '9b2f0c1e-7d0a-4a56-8f0b-3a9f3f1f6c2d.1',
  replyto: 'get_user.reply',
  expirytime: '2026-01-31T12:00:04.000Z',
  data: { userId: '01990f3c-6d29-7b1d-9c3f-5a6b7c8d9e0f' }
}

export const getUser = {
  name: 'get_user',
  description: 'A question: who is this user? Answered by auth.',
  version: 1,
  partitions: 4,
  config: requestConfig,
  data,
  reply,
  example: getUserExample
} as const satisfies RequestTopic
