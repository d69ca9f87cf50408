import { Type, type Static, type TSchema } from 'typebox'
import { decode, validator, type Decoded } from './decode.js'
import { unicode, type Event } from './envelope.js'
import { createEvent, eventSchema, replyTopicName } from './event.js'
import type { MessageHeaders } from './message.js'
import type { Topic } from './topic.js'

/**
 * A topic of requests, which are answered on the topic `<name>.reply`. One file of the contract declares both:
 *
 *     export const priceRequest = {
 *       name: 'price_request',
 *       description: 'What does a product cost?',
 *       version: 1,
 *       partitions: 4,
 *       config: requestConfig,
 *       data: Type.Object({ productId: Type.String() }),
 *       reply: Type.Object({ cents: Type.Integer() })
 *     } as const satisfies RequestTopic
 */
export interface RequestTopic<Data extends TSchema = TSchema, Reply extends TSchema = TSchema> extends Topic<Data> { reply: Reply }

const tenMinutesMs = String(10 * 60 * 1000)

/** Topic settings for requests and replies: 10 minutes of retention, because neither is used after the ask has timed out. */
export const requestConfig = {
  'retention.ms': tenMinutesMs,
  'segment.ms': tenMinutesMs,
  'max.message.bytes': String(1024 * 1024),
  'message.timestamp.type': 'LogAppendTime'
} as const satisfies Topic['config']

export type Request<Data = unknown> = Event<Data> & { correlationid: string, causationid?: string, replyto: string, expirytime?: string }

/** Why there is no answer: a stable code, and a text for people that quotes no value. */
export interface ReplyError { code: string, message: string }

/** The reply to a request: its data, or an error. */
export type Reply<Data = unknown> = Event<Data | ReplyError> & { correlationid: string, causationid?: string }

const replyError = Type.Object({
  code: Type.String({ minLength: 1, maxLength: 100, pattern: unicode, description: 'Stable code of the error, for programs.' }),
  message: Type.String({ maxLength: 1000, pattern: unicode, description: 'Text of the error, for people. It quotes no value.' })
})

const replyAttributes = {
  correlationid: Type.String({ minLength: 1, maxLength: 200, pattern: unicode, description: 'That of the request.' }),
  causationid: Type.Optional(Type.String({ minLength: 1, maxLength: 200, pattern: unicode, description: 'Id of the request.' }))
}

/** The reply topic of a request topic. */
export function replyTopic<Schema extends TSchema> (topic: RequestTopic<TSchema, Schema>): Topic<Schema> {
  return {
    name: replyTopicName(topic.name),
    description: `Replies to ${topic.name}: the data, or an error. Keyed by correlationid.`,
    version: topic.version,
    partitions: topic.partitions,
    config: { ...requestConfig, 'max.message.bytes': topic.config['max.message.bytes'] },
    data: topic.reply
  }
}

/** Error replies: on the reply topic, with an event type of their own. */
const errorTopic = (topic: RequestTopic): Topic<typeof replyError> => ({ ...replyTopic(topic), name: `${replyTopicName(topic.name)}.error`, data: replyError })

/** The schemas of a reply topic by event type: replies and error replies. */
export function replySchemas (topic: RequestTopic): { [type: string]: TSchema } {
  return Object.fromEntries([replyTopic(topic), errorTopic(topic)].map(answer => [answer.name, eventSchema(answer, replyAttributes)]))
}

/** Builds a request. Its correlation id is also its message key. */
export function createRequest<Schema extends TSchema> (topic: RequestTopic<Schema>, { correlationId, causationId, expires, ...event }: {
  id: string,
  source: string,
  time: Date,
  traceparent?: string | undefined,
  data: Static<Schema>
  correlationId: string,
  causationId?: string | undefined,
  expires: Date
}): Request<Static<Schema>> {
  return {
    ...createEvent(topic, { ...event, subject: correlationId }),
    correlationid: correlationId,
    ...(causationId === undefined ? {} : { causationid: causationId }),
    replyto: replyTopicName(topic.name),
    expirytime: expires.toISOString()
  }
}

/** Builds the reply to a request: the data, or an error. It continues the request's trace. */
export function createReply<Schema extends TSchema> (topic: RequestTopic<TSchema, Schema>, request: Request, reply: {
  id: string, source: string, time: Date
} & ({ data: Static<Schema> } | { error: ReplyError })): Reply<Static<Schema>> {
  const { id, source, time } = reply
  const about = { id, source, time, subject: request.correlationid, traceparent: request.traceparent }
  const event = 'error' in reply ? createEvent(errorTopic(topic), { ...about, data: reply.error }) : createEvent(replyTopic(topic), { ...about, data: reply.data })
  return { ...event, correlationid: request.correlationid, causationid: request.id }
}

type ReplyOf<Data> = { correlationid: string } & ({ data: Data, error?: never } | { error: ReplyError, data?: never })

/** Returns the decoder of a topic's replies. The schemas are compiled once, here. */
export function replyDecoder<Schema extends TSchema> (topic: RequestTopic<TSchema, Schema>): (value: Buffer | null, headers?: MessageHeaders) =>
  { ok: true, reply: ReplyOf<Static<Schema>> } | Extract<Decoded<never>, { ok: false }> {
  const errorType = errorTopic(topic).name
  const validateReply = validator<Reply<Static<Schema>>>(eventSchema(replyTopic(topic), replyAttributes))
  const validateError = validator<Reply<never>>(eventSchema(errorTopic(topic), replyAttributes))
  const isError = (read: unknown) => (read as { type?: unknown } | null)?.type === errorType

  return function decodeReply (value, headers = []) {
    const decoded = decode<Reply<Static<Schema>>>(value, headers, read => isError(read) ? validateError(read) : validateReply(read))
    if (!decoded.ok) return decoded
    const { correlationid, type, data } = decoded.event
    return { ok: true, reply: type === errorType ? { correlationid, error: data as ReplyError } : { correlationid, data: data as Static<Schema> } }
  }
}
