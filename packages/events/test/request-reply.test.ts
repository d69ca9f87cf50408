import { Type } from 'typebox'
import { describe, expect, test } from 'vitest'
import { createReply, createRequest, decoder, eventSchema, replyDecoder, replyTopic, requestConfig, type RequestTopic } from '@pair/events'

const topic = {
  name: 'price_request',
  description: 'What does a product cost?',
  version: 1,
  partitions: 4,
  config: requestConfig,
  data: Type.Object({ productId: Type.String() }),
  reply: Type.Object({ cents: Type.Integer() })
} as const satisfies RequestTopic

const bytes = (event: unknown) => Buffer.from(JSON.stringify(event))
const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const request = createRequest(topic, {
  id: 'q1', source: '/shop-service', time: new Date(0), traceparent, data: { productId: 'p' }, correlationId: 'c1', causationId: 'e1', expires: new Date(1000)
})
const about = { id: 'r1', source: '/price-service', time: new Date(500) }
const reply = createReply(topic, request, { ...about, data: { cents: 5 } })
const refusal = createReply(topic, request, { ...about, error: { code: 'UNKNOWN', message: 'there is none' } })

test('a request is an event of its topic, and says whom to answer, where, and until when', () => {
  expect(request).toMatchObject({ type: 'price_request', subject: 'c1', correlationid: 'c1', causationid: 'e1', replyto: 'price_request.reply', expirytime: '1970-01-01T00:00:01.000Z' })
  expect(decoder(topic)(bytes(request))).toEqual({ ok: true, event: request })
})

test('a reply carries the correlation and the trace of its request, and names it as its cause', () => {
  expect(reply).toMatchObject({ type: 'price_request.reply', dataschema: 'urn:price_request.reply:1', subject: 'c1', correlationid: 'c1', causationid: 'q1', traceparent, data: { cents: 5 } })
  expect(decoder(replyTopic(topic))(bytes(reply))).toMatchObject({ ok: true })
})

test('the reply topic is derived, keeps its records for minutes, and has room for the same messages', () => {
  expect(replyTopic(topic)).toMatchObject({ name: 'price_request.reply', partitions: 4, data: topic.reply })
  expect(Number(replyTopic({ ...topic, config: { ...topic.config, 'retention.ms': '1000000000' } }).config['retention.ms'])).toBe(600_000)
})

test('a topic without a reply schema has no attributes of requests', () => {
  const { reply: _, ...event } = topic
  expect(Object.keys((eventSchema(event) as unknown as { properties: object }).properties)).not.toContain('correlationid')
})

describe('a request is refused, without a quotation,', () => {
  const without = (member: string) => Object.fromEntries(Object.entries(request).filter(([name]) => name !== member))
  test.each([
    ['without a correlation id', without('correlationid'), /correlationid/],
    ['without a topic for its reply', without('replyto'), /replyto/],
    ['with another topic for its reply', { ...request, replyto: 'secret' }, /replyto/],
    ['with a correlation id of 201 characters', { ...request, correlationid: 'secret'.padEnd(201) }, /correlationid/],
    ['with a deadline that is none', { ...request, expirytime: 'secret' }, /expirytime/]
  ])('%s', (_what, event, named) => {
    const decoded = decoder(topic)(bytes(event))
    expect(decoded).toMatchObject({ ok: false, reason: 'not-valid', error: expect.stringMatching(named) })
    expect(JSON.stringify(decoded)).not.toContain('secret')
  })

  test('but taken without a cause and without a deadline', () => {
    const { causationid: _cause, expirytime: _deadline, ...rest } = request
    expect(decoder(topic)(bytes(rest))).toMatchObject({ ok: true })
  })
})

describe('of the messages of a reply topic', () => {
  const decode = replyDecoder(topic)

  test('a reply is read, and an error as one', () => {
    expect(decode(bytes(reply))).toEqual({ ok: true, reply: { correlationid: 'c1', data: { cents: 5 } } })
    expect(decode(bytes(refusal))).toEqual({ ok: true, reply: { correlationid: 'c1', error: { code: 'UNKNOWN', message: 'there is none' } } })
  })

  test.each([
    ['a null value', null, 'not-decodable'],
    ['text that is not JSON', Buffer.from('secret'), 'not-decodable'],
    ['JSON that is null', bytes(null), 'not-valid'],
    ['another event', bytes(request), 'not-valid'],
    ['a reply without a correlation id', bytes({ ...reply, correlationid: undefined }), 'not-valid'],
    ['a reply with other data', bytes({ ...reply, data: { cents: 'secret' } }), 'not-valid'],
    ['a reply of another version', bytes({ ...reply, dataschema: 'urn:price_request.reply:2' }), 'not-valid'],
    ['an error without a code', bytes({ ...refusal, data: { message: 'secret' } }), 'not-valid'],
    ['the data of a reply as an error', bytes({ ...reply, type: 'price_request.reply.error' }), 'not-valid']
  ])('%s is refused without a quotation', (_what, value, reason) => {
    const decoded = decode(value)
    expect(decoded).toMatchObject({ ok: false, reason })
    expect(JSON.stringify(decoded)).not.toContain('secret')
  })
})
