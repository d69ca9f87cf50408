import { describe, expect, test } from 'vitest'
import { createEvent, deadLetterTopic, decoder, userRegister, userRegisterExample as example } from 'shared-topics'

const decode = decoder(userRegister)
const bytes = (event: unknown) => Buffer.from(JSON.stringify(event))
const without = (member: string) => Object.fromEntries(Object.entries(example).filter(([name]) => name !== member))

describe('an event of user_register', () => {
  test('the example is one', () => {
    expect(decode(bytes(example))).toEqual({ ok: true, event: example })
  })

  test('what createEvent builds is one, and has no traceparent where there is none', () => {
    const event = createEvent(userRegister, { id: 'e1', subject: example.data.id, time: new Date(0), data: example.data })
    expect(decode(bytes(event))).toEqual({ ok: true, event })
    expect(event).toMatchObject({ source: '/user-service', dataschema: 'urn:user_register:1', time: '1970-01-01T00:00:00.000Z' })
    expect(event).not.toHaveProperty('traceparent')
  })

  test('the name of the dead-letter topic is computed', () => {
    expect(deadLetterTopic(userRegister.name)).toBe('user_register.dlq')
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
