import { Type, type Static, type TSchema } from 'typebox'
import { envelope, unicode, type Event } from './envelope.js'
import type { Topic } from './topic.js'

/**
 * What a request has beside. The answerer sends to no other topic than its own reply topic, whoever has written the request.
 *
 * @see https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/correlation.md
 * @see https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/expirytime.md
 */
const requestAttributes = (topic: Topic) => ({
  /** Of the ask; its reply has the same. */
  correlationid: Type.String({ minLength: 1, maxLength: 200, pattern: unicode }),
  /** Id of the event that made somebody ask. */
  causationid: Type.Optional(Type.String({ minLength: 1, maxLength: 200, pattern: unicode })),
  replyto: Type.Literal(replyTopicName(topic.name)),
  /** Afterwards nobody waits for the reply any more. */
  expirytime: Type.Optional(Type.String({ format: 'date-time' }))
})

export const replyTopicName = (name: string) => `${name}.reply`

/** The schema of a topic's events: the envelope with this topic's type, versions and data. */
export function eventSchema (topic: Topic, attributes: Record<string, TSchema> = topic.reply === undefined ? {} : requestAttributes(topic)): TSchema {
  return Type.Object({
    ...envelope.properties,
    ...attributes,
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
  event: { id: string, source: string, subject: string, time: Date, traceparent?: string | undefined, data: Static<Schema> }
): Event<Static<Schema>> {
  return {
    specversion: '1.0',
    id: event.id,
    source: event.source,
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
  return `^urn:${topic.name.replaceAll('.', '\\.')}:${topic.version}(\\.\\d+)*$`
}
