import { Type, type Static, type TSchema } from 'typebox'
import type { Topic } from './topic.js'

/**
 * For text that readers keep: no half of a surrogate pair ("\ud800" alone), which JSON can write and no database can store.
 * Each would become the same replacement character, and with it two ids one.
 */
export const unicode = '^\\P{Surrogate}*$'

/**
 * The envelope of every event: CloudEvents 1.0 in structured JSON, with the `traceparent` extension.
 * Members that it does not name are ignored, so that writers can add some.
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

/** The schema of a topic's events: the envelope with this topic's type, versions and data. */
export function eventSchema (topic: Topic): TSchema {
  return Type.Object({
    ...envelope.properties,
    type: Type.Literal(topic.name),
    // Absent means version 1; a minor version, as in 1.2, adds only what a reader may ignore.
    dataschema: topic.version === 1
      ? Type.Optional(Type.String({ pattern: versionPattern(topic) }))
      : Type.String({ pattern: versionPattern(topic) }),
    data: topic.data
  })
}

/** Builds an event of a topic. `subject` is also the key under which it is sent; `traceparent` is left out where there is none. */
export function createEvent<Schema extends TSchema> (
  topic: Topic<Schema>,
  event: { id: string, subject: string, time: Date, traceparent?: string | undefined, data: Static<Schema> }
): Event<Static<Schema>> {
  return {
    specversion: '1.0',
    id: event.id,
    source: topic.source,
    type: topic.name,
    subject: event.subject,
    time: event.time.toISOString(),
    datacontenttype: 'application/json',
    dataschema: `urn:${topic.name}:${topic.version}${topic.minor === undefined ? '' : `.${topic.minor}`}`,
    ...(event.traceparent === undefined ? {} : { traceparent: event.traceparent }),
    data: event.data
  }
}

function versionPattern (topic: Topic): string {
  return `^urn:${topic.name}:${topic.version}(\\.\\d+)*$`
}
