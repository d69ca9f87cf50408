import { Type, type Static, type TSchema } from 'typebox'
import { envelope, unicode, type Event } from './envelope.js'
import type { Topic } from './topic.js'

/**
 * Attributes that only requests have. `replyto` must be the topic's own reply topic, so that a request cannot make the answerer
 * write to another topic.
 *
 * @see https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/correlation.md
 * @see https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/expirytime.md
 */
const requestAttributes = (topic: Topic) => ({
  correlationid: Type.String({ minLength: 1, maxLength: 200, pattern: unicode, description: 'Id of the request; its reply has the same.' }),
  causationid: Type.Optional(Type.String({ minLength: 1, maxLength: 200, pattern: unicode, description: 'Id of the event that caused the request.' })),
  replyto: Type.Literal(replyTopicName(topic.name), { description: 'Topic of the reply.' }),
  expirytime: Type.Optional(Type.String({ format: 'date-time', description: 'When the requester stops waiting for the reply.' }))
})

export const replyTopicName = (name: string) => `${name}.reply`

const versionDescription = 'Version of data: urn:<topic>:<major>, with .<minor> where there is one.'

/** The schema of a topic's events: the envelope with this topic's type, versions and data. */
export function eventSchema (topic: Topic, attributes: Record<string, TSchema> = topic.reply === undefined ? {} : requestAttributes(topic)): TSchema {
  return Type.Object({
    ...envelope.properties,
    ...attributes,
    type: Type.Literal(topic.name, { description: 'Kind of the event.' }),
    // An absent dataschema means version 1. A minor version, such as 1.2, adds only members that readers may ignore.
    dataschema: topic.version === 1
      ? Type.Optional(Type.String({ pattern: versionPattern(topic), description: versionDescription }))
      : Type.String({ pattern: versionPattern(topic), description: versionDescription }),
    data: topic.data
  })
}

/** Builds an event of a topic. `subject` is also its message key; an undefined `traceparent` is left out. */
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
