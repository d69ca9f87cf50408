import { Type, type Static } from 'typebox'

/**
 * For text that readers keep: no half of a surrogate pair ("\ud800" alone), which JSON can write and no database can store.
 * Each would become the same replacement character, and with it two ids one.
 */
export const unicode = '^\\P{Surrogate}*$'

/**
 * The envelope of every event: CloudEvents 1.0 with the `traceparent` extension. How one is read from a message, and which
 * forms are, says message.ts. Members that it does not name are ignored, so that writers can add some.
 *
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
 */
export const envelope = Type.Object({
  specversion: Type.Literal('1.0'),
  // `source` + `id` name an event; both are kept by its readers, so both have a length.
  id: Type.String({ minLength: 1, maxLength: 200, pattern: unicode }),
  source: Type.String({ minLength: 1, maxLength: 200, pattern: unicode }),
  type: Type.String({ minLength: 1 }),
  subject: Type.Optional(Type.String({ minLength: 1 })),
  time: Type.Optional(Type.String({ format: 'date-time' })),
  datacontenttype: Type.Optional(Type.String({ minLength: 1 })),
  dataschema: Type.Optional(Type.String({ minLength: 1 })),
  traceparent: Type.Optional(Type.String())
})

export type Event<Data = unknown> = Static<typeof envelope> & { data: Data }
