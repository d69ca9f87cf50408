import { Ajv, type ErrorObject } from 'ajv'
import addFormats from 'ajv-formats'
import type { Static, TSchema } from 'typebox'
import type { Event } from './envelope.js'
import { eventSchema } from './event.js'
import { NotDecodable, readMessage, type MessageHeaders } from './message.js'
import type { Topic } from './topic.js'

/** The result of decoding a message: its event, or the reason why there is none. `error` quotes nothing of the message. */
export type Decoded<Data> = Checked<Event<Data>>

/** Returns the decoder of a topic's events. The schema is compiled once, here. */
export function decoder<Schema extends TSchema> (topic: Topic<Schema>): (value: Buffer | null, headers?: MessageHeaders) => Decoded<Static<Schema>> {
  const validate = validator<Event<Static<Schema>>>(eventSchema(topic))
  return (value, headers = []) => decode(value, headers, validate)
}

/** Returns a validator for a decoded value. The schema is compiled once, here. */
export function validator<Valid> (schema: TSchema): (read: unknown) => Checked<Valid> {
  const ajv = new Ajv()
  addFormats.default(ajv)
  const validate = ajv.compile<Valid>(schema)
  return read => validate(read) ? { ok: true, event: read } : { ok: false, reason: 'not-valid', error: describe(validate.errors) }
}

type Checked<Valid> = { ok: true, event: Valid } | { ok: false, reason: 'not-decodable' | 'not-valid', error: string }

/** Reads a message and validates its content. */
export function decode<Valid> (value: Buffer | null, headers: MessageHeaders, validate: (read: unknown) => Checked<Valid>): Checked<Valid> {
  let read: unknown
  try {
    read = readMessage(value, headers)
  } catch (error) {
    if (!(error instanceof NotDecodable)) throw error
    return { ok: false, reason: 'not-decodable', error: error.message }
  }
  return validate(read)
}

/** Joins Ajv's messages, which name schema members and limits but quote no value. */
function describe (errors: ErrorObject[] | null | undefined): string {
  return (errors ?? []).map(error => `event${error.instancePath} ${error.message ?? 'is wrong'}`).join(', ')
}
