import { Ajv, type ErrorObject } from 'ajv'
import addFormats from 'ajv-formats'
import type { Static, TSchema } from 'typebox'
import { eventSchema, type Event } from './event.js'
import type { Topic } from './topic.js'

/** What a message's value turned out to be. `error` says what is wrong without quoting what was sent. */
export type Decoded<Data> =
  | { ok: true, event: Event<Data> }
  | { ok: false, reason: 'not-decodable' | 'not-valid', error: string }

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Returns the decoder of a topic's events. The schema is compiled once, here. */
export function decoder<Schema extends TSchema> (topic: Topic<Schema>): (value: Buffer | null) => Decoded<Static<Schema>> {
  const ajv = new Ajv()
  addFormats.default(ajv)
  const validate = ajv.compile<Event<Static<Schema>>>(eventSchema(topic))

  return function decode (value) {
    if (value === null || value.length === 0) return { ok: false, reason: 'not-decodable', error: 'the value is empty' }

    const text = asText(value)
    if (text === undefined) return { ok: false, reason: 'not-decodable', error: 'the value is not UTF-8' }

    let event: unknown
    try {
      event = JSON.parse(text)
    } catch {
      // The parser's own words quote the text.
      return { ok: false, reason: 'not-decodable', error: 'the value is not JSON' }
    }

    if (!validate(event)) return { ok: false, reason: 'not-valid', error: describe(validate.errors) }
    return { ok: true, event }
  }
}

function asText (bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** Ajv's messages name members of the schema and its limits, never the value. */
function describe (errors: ErrorObject[] | null | undefined): string {
  return (errors ?? []).map(error => `event${error.instancePath} ${error.message ?? 'is wrong'}`).join(', ')
}
