import { Type, type Static } from 'typebox'

/**
 * Pattern for text that readers store: excludes half of a surrogate pair (a lone "\ud800"), which JSON can express but databases
 * cannot store. Replacing it with U+FFFD would make two different ids equal.
 */
export const unicode = '^\\P{Surrogate}*$'

/**
 * The envelope of every event: CloudEvents 1.0 with the `traceparent` extension. message.ts decodes it from a message. Unknown
 * members are ignored, so that writers can add some.
 *
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
 */
export const envelope = Type.Object({
  specversion: Type.Literal('1.0', { description: 'Version of CloudEvents.' }),
  // `source` and `id` identify an event. Readers store both, so both have a maximum length.
  id: Type.String({ minLength: 1, maxLength: 200, pattern: unicode, description: 'Unique within the source. An event that is sent twice has the same id.' }),
  source: Type.String({ minLength: 1, maxLength: 200, pattern: unicode, description: 'The service that made the event.' }),
  type: Type.String({ minLength: 1 }),
  subject: Type.Optional(Type.String({ minLength: 1, description: 'Id of what the event is about, and key of the message.' })),
  time: Type.Optional(Type.String({ format: 'date-time', description: 'When it happened, by the clock of the source.' })),
  datacontenttype: Type.Optional(Type.String({ minLength: 1, description: 'Media type of data.' })),
  dataschema: Type.Optional(Type.String({ minLength: 1 })),
  traceparent: Type.Optional(Type.String({ description: 'W3C Trace Context of the request or event that caused this one.' }))
})

export type Event<Data = unknown> = Static<typeof envelope> & { data: Data }
