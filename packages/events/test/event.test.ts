import { describe, expect, test } from 'vitest'
import { createEvent, deadLetterTopic, decoder } from '@pair/events'
import { userRegister, userRegisterExample as example } from '@pair/shared-topics'

const decode = decoder(userRegister)
const bytes = (event: unknown) => Buffer.from(JSON.stringify(event))
const without = (member: string) => Object.fromEntries(Object.entries(example).filter(([name]) => name !== member))

describe('an event of user_register', () => {
  test('the example is one', () => {
    expect(decode(bytes(example))).toEqual({ ok: true, event: example })
  })

  test('what createEvent builds is one, and has no traceparent where there is none', () => {
    const event = createEvent(userRegister, { source: '/user-service', id: 'e1', subject: example.data.id, time: new Date(0), data: example.data })
    expect(decode(bytes(event))).toEqual({ ok: true, event })
    expect(event).toMatchObject({ source: '/user-service', dataschema: 'urn:user_register:1', time: '1970-01-01T00:00:00.000Z' })
    expect(event).not.toHaveProperty('traceparent')
  })

  test('the name of the dead-letter topic is computed', () => {
    expect(deadLetterTopic(userRegister.name)).toBe('user_register.dlq')
    expect(userRegister.name.length).toBeLessThanOrEqual(136) // with the longest KAFKA_PREFIX and `.dlq.replayed` Kafka's limit of 249
  })

  test.each([
    ['members that it does not name', { ...example, extra: 1, data: { ...example.data, age: 4 } }],
    ['no version, which means 1', without('dataschema')],
    ['a newer minor version', { ...example, dataschema: 'urn:user_register:1.7' }],
    ['an id of one character', { ...example, id: 'x' }],
    ['an id of 200 characters', { ...example, id: 'x'.repeat(200) }],
    ['a UUID of version 4 as data.id', { ...example, data: { ...example.data, id: 'f47ac10b-58cc-4372-a567-0e02b2c3d479' } }],
    ['a whole surrogate pair, escaped or not', { ...example, id: '\ud83d\ude00', data: { ...example.data, username: '😀' } }],
    ['no subject and no time', { ...without('subject'), time: undefined }]
  ])('is accepted with %s', (_what, event) => {
    expect(decode(bytes(event))).toMatchObject({ ok: true })
  })

  test.each(['subject', 'time', 'datacontenttype', 'dataschema', 'traceparent', 'extension', 'data_base64'])('is accepted with %s: null, which is unset', name => {
    expect(decode(bytes({ ...example, [name]: null }))).toEqual({ ok: true, event: without(name) })
  })
})

const base64 = (data: unknown) => Buffer.from(JSON.stringify(data)).toString('base64')
const { data, datacontenttype: _contentType, ...attributes } = example
const headersOf = (texts: Record<string, string>) => Object.entries(texts).map(([name, text]) => ({ [name]: Buffer.from(text) }))
/** As Kafka clients of CloudEvents' SDKs send it in binary mode. */
const binary = Object.fromEntries(Object.entries(attributes).map(([name, text]) => [`ce_${name}`, text]))

describe('an event is the same', () => {
  test.each([
    ['in structured mode', bytes(example), { 'content-type': 'application/cloudevents+json' }],
    ['in structured mode with another way of writing the content type', bytes(example), { 'content-type': ' Application/CloudEvents+JSON ; charset=UTF-8' }],
    ['in structured mode with headers that look like attributes', bytes(example), { ...binary, ce_id: 'other', 'content-type': 'application/cloudevents+json' }],
    ['after a byte order mark', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes(example)]), {}],
    ['with the last of two members of one name', Buffer.from(JSON.stringify(example).replace('{', '{"id":"other",')), {}],
    ['with its data in Base64', bytes({ ...example, data: undefined, data_base64: base64(data) }), {}],
    ['with 5 MB in Base64', bytes({ ...example, data: undefined, data_base64: base64({ ...data, more: 'x'.repeat(5_000_000) }) }), {}],
    ['with its data in Base64, and null as data', bytes({ ...example, data: null, data_base64: base64(data) }), {}],
    ['in binary mode', bytes(data), { ...binary, 'content-type': 'application/json' }],
    ['in binary mode, among other headers', bytes(data), { 'content-type': 'application/json', ...binary, '': 'x', Ce_id: 'other', ce___proto__: 'x' }]
  ])('%s', (_what, value, headers) => {
    expect(decode(value, headersOf(headers))).toEqual({ ok: true, event: expect.objectContaining({ ...example, data: expect.objectContaining(data) }) })
  })

  test.each(['application/json; charset=utf-8', 'APPLICATION/JSON', 'application/vnd.user+json', undefined])('in binary mode with content type %s', contentType => {
    const headers = headersOf({ ...binary, ...(contentType === undefined ? {} : { 'content-type': contentType }) })
    expect(decode(bytes(data), headers)).toEqual({ ok: true, event: { ...attributes, data, ...(contentType === undefined ? {} : { datacontenttype: contentType }) } })
  })
})

describe('an event that is sent otherwise is refused, and said to be', () => {
  test.each([
    ['a batch', bytes([example]), { 'content-type': 'application/cloudevents-batch+json' }, 'not-decodable', 'the value is a batch of events, not a single event'],
    ['another format', bytes(example), { 'content-type': 'application/cloudevents+avro' }, 'not-decodable', 'the value is an event in a format other than JSON'],
    ['binary mode with other data', Buffer.from('<secret/>'), { ...binary, 'content-type': 'text/xml' }, 'not-decodable', 'the content type of the data is not JSON'],
    ['binary mode without data', null, binary, 'not-decodable', 'the value is empty'],
    ['binary mode with text that is no JSON', Buffer.from('secret'), binary, 'not-decodable', 'the data is not JSON'],
    ['binary mode of an older version', bytes(data), { ...binary, ce_specversion: '0.3' }, 'not-valid', 'event/specversion must be equal to constant'],
    ['binary mode without an id', bytes(data), { ...binary, ce_id: '' }, 'not-valid', 'event/id must NOT have fewer than 1 characters'],
    ['data twice', bytes({ ...example, data_base64: base64(data) }), {}, 'not-decodable', 'the event has both data and data_base64'],
    ['Base64 that is none', bytes({ ...example, data: undefined, data_base64: 'secret!' }), {}, 'not-decodable', 'data_base64 is not Base64'],
    ['Base64 that is no text', bytes({ ...example, data: undefined, data_base64: { toString: 1 } }), {}, 'not-decodable', 'data_base64 is not Base64'],
    ['Base64 of other data', bytes({ ...example, data: undefined, data_base64: 'c2VjcmV0', datacontenttype: 'text/plain' }), {}, 'not-decodable', 'the content type of the data is not JSON'],
    ['id: null', bytes({ ...example, id: null }), {}, 'not-valid', 'event must have required property \'id\'']
  ])('%s', (_what, value, headers, reason, error) => {
    expect(decode(value, headersOf(headers))).toEqual({ ok: false, reason, error })
  })

  test('attributes that are not UTF-8', () => {
    expect(decode(bytes(data), [...headersOf(binary), { ce_subject: Buffer.from([0xff]) }])).toEqual({ ok: false, reason: 'not-decodable', error: 'an attribute among the headers is not UTF-8' })
  })
})

describe('what is no event of user_register is refused:', () => {
  test.each([
    ['a null value', null],
    ['an empty value', Buffer.alloc(0)],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['text that is not JSON', Buffer.from('secret rubbish')],
    ['nesting without end', Buffer.from('['.repeat(900 * 1024))]
  ])('%s, as not-decodable', (_what, value) => {
    expect(decode(value)).toMatchObject({ ok: false, reason: 'not-decodable' })
  })

  test.each([
    ['JSON that is no CloudEvent', { secret: 1 }, /specversion/],
    ['JSON that is no object', 'secret', /event must be object/],
    ['another specversion', { ...example, specversion: '0.3' }, /specversion/],
    ['another type', { ...example, type: 'secret' }, /type/],
    ['an unknown major version', { ...example, dataschema: 'urn:user_register:2' }, /dataschema/],
    ['version 11', { ...example, dataschema: 'urn:user_register:11' }, /dataschema/],
    ['the schema of another topic', { ...example, dataschema: 'urn:secret:1' }, /dataschema/],
    ['no id', without('id'), /id/],
    ['an empty id', { ...example, id: '' }, /id/],
    ['an id of 201 characters', { ...example, id: 'x'.repeat(201) }, /id/],
    ['no source', without('source'), /source/],
    ['a time that is none', { ...example, time: 'secret' }, /time/],
    ['no data', without('data'), /data/],
    ['data without email', { ...example, data: { id: example.data.id, username: 'secret' } }, /email/],
    ['half a surrogate pair in its id', { ...example, id: 'secret\ud800' }, /event\/id/],
    ['half a surrogate pair in the source', { ...example, source: '\udc00secret' }, /source/],
    ['half a surrogate pair in an email', { ...example, data: { ...example.data, email: 'secret\ude00\ud83d' } }, /email/],
    ['half a surrogate pair in a username', { ...example, data: { ...example.data, username: '\ud83d' } }, /username/],
    ['data.id that is no UUID', { ...example, data: { ...example.data, id: 'secret' } }, /data\/id/],
    ['data.id as a URN', { ...example, data: { ...example.data, id: `urn:uuid:${example.data.id}` } }, /data\/id/],
    ['an email of 255 characters', { ...example, data: { ...example.data, email: 'secret'.padEnd(255, 'x') } }, /email/],
    ['a number as username', { ...example, data: { ...example.data, username: 1 } }, /username/]
  ])('%s, as not-valid, naming the member and quoting no value', (_what, event, named) => {
    const decoded = decode(bytes(event))
    expect(decoded).toMatchObject({ ok: false, reason: 'not-valid', error: expect.stringMatching(named) })
    expect(JSON.stringify(decoded)).not.toContain('secret')
  })
})
