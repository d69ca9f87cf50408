import { randomBytes } from 'node:crypto'
import { type Event } from '@pair/events'
import { userRegisterExample, type UserRegister } from '@pair/shared-topics'
import { anyBytes, mutate } from './mutate.js'
import type { Random } from './seed.js'

export interface Record { key: Buffer | string | null, value: Buffer | string | null, headers: Array<{ [name: string]: string }>, partition?: number }

type Wrong = (event: any) => unknown

/** An event with one thing wrong: what cannot be decoded, is not valid, or is refused by the database. */
const wrongs: Wrong[] = [
  ...['', '0.3', '1.0.0', 1, null].map((specversion): Wrong => event => ({ ...event, specversion })),
  ...['', 'x'.repeat(201), 5, null, {}, 'a\0b', '\ud800', 'a\udfffb'].flatMap((text): Wrong[] => [event => ({ ...event, id: text }), event => ({ ...event, source: text })]),
  ...['', 'User_register', 'user_register ', 'user_gone', 1, null].map((type): Wrong => event => ({ ...event, type })),
  ...['', 5, {}].flatMap((text): Wrong[] => [event => ({ ...event, subject: text }), event => ({ ...event, datacontenttype: text })]),
  ...['', 'yesterday', '2026-02-30T00:00:00Z', '2026-01-01', 0].map((time): Wrong => event => ({ ...event, time })),
  ...['', 'urn:user_register:2', 'urn:user_register:1.x', 'urn:user_register:10', 'xurn:user_register:1', 1].map((dataschema): Wrong => event => ({ ...event, dataschema })),
  ...[null, 'text', [], {}, 1].map((data): Wrong => event => ({ ...event, data })),
  ...['', 'no uuid', 'urn:uuid:00000000-0000-4000-8000-000000000000', '{00000000-0000-4000-8000-000000000000}', '00000000-0000-4000-8000-00000000000g', 1, null].map((id): Wrong => event => ({ ...event, data: { ...event.data, id } })),
  ...['', 'a\0b', '\ud83d', 5, null, [], 'x'.repeat(255)].flatMap((text): Wrong[] => [
    event => ({ ...event, data: { ...event.data, email: text } }), event => ({ ...event, data: { ...event.data, username: text } })
  ]),
  ...['specversion', 'id', 'source', 'type', 'data'].map((name): Wrong => ({ [name]: _left, ...event }) => event),
  ...['id', 'email', 'username'].map((name): Wrong => event => ({ ...event, data: { ...event.data, [name]: undefined } })),
  event => [event], event => ({ event }), event => event.data, event => JSON.stringify(JSON.stringify(event)), event => ({ ...event, data: JSON.stringify(event.data) }),
  event => ({ ...event, data_base64: Buffer.from(JSON.stringify(event.data)).toString('base64') }),
  ({ data, ...event }) => ({ ...event, data_base64: JSON.stringify(data) }),
  ({ data, ...event }) => `{"__proto__":{"data":${JSON.stringify(data)}},${JSON.stringify(event).slice(1)}`
]
const notText = [Buffer.from([0xff]), Buffer.from([0xc0, 0xaf]), Buffer.from([0, 0x80])]
const texts = ['', ' ', 'text', 'ü', '😀', '\u202e', 'application/cloudevents+json', 'x'.repeat(1000), '%00', '-1']
const headerNames = ['content-type', 'x', 'X', '', 'ü', 'traceparent', 'dlq.offset', 'dlq.reason', '__proto__', 'ce_id', 'x'.repeat(300)]
const names = ['fuzz', 'Ünïcödé', '用户', '😀', 'ſ', '\u202eabc', '__proto__', "'; drop table profiles; --", ' ', '\t']

const newEvent = (id: string, domain: string): Event<UserRegister> =>
  ({ ...userRegisterExample, id: `event-${id}`, subject: id, data: { id, email: `${id}@${domain}`, username: id.slice(0, 32) } })

const idOf = (random: Random) => anyBytes(random, [16, 16]).toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
const headersOf = (random: Random) => Array.from({ length: random.within([0, 3]) }, () => ({ [random.pick(headerNames)]: random.pick(texts) }))
const keyOf = (random: Random, id: string) => random.pick([id, id, null, '', 'the same key', random.pick(texts), `key-${random.within([0, 50])}`])

/** One that becomes a profile, in many ways of writing, and the id of its user. */
export function goodEvent (random: Random, domain: string): Record & { id: string } {
  const id = idOf(random)
  const event = newEvent(id, domain)
  const { dataschema: _absent, subject: _none, traceparent: _untraced, ...bare } = event
  const value = random.pick<() => string>([
    () => JSON.stringify(event),
    () => JSON.stringify(bare, null, 2),
    () => JSON.stringify({ ...event, data: undefined, data_base64: Buffer.from(JSON.stringify(event.data)).toString('base64') }),
    () => JSON.stringify({ ...event, subject: null, time: null, datacontenttype: null, dataschema: null, traceparent: null, more: null }),
    () => JSON.stringify({ ...event, dataschema: 'urn:user_register:1.12', more: { deep: [[[]]], id: 'other' } }),
    () => JSON.stringify({ ...event, data: { ...event.data, username: random.pick(names), more: null } }),
    () => `{"id":"first","data":null,"__proto__":{},"deep":${'['.repeat(1000)}${']'.repeat(1000)},${JSON.stringify(event).slice(1)}`,
    () => `\ufeff${JSON.stringify(event).replaceAll('e', '\\u0065')}\r\n`
  ])()
  return { id, key: keyOf(random, id), value, headers: headersOf(random) }
}

/** One that cannot be processed. */
export function badEvent (random: Random, domain: string): Record {
  const id = idOf(random)
  const event = newEvent(id, domain)
  const text = Buffer.from(JSON.stringify(event))
  const value = random.pick<() => Buffer | string | null>([
    () => random.pick([null, '', '\0', ' ', 'null', 'true', '0', '[]', '{}', '""', '{', 'NaN', '\ufeff', `${'['.repeat(5000)}${']'.repeat(5000)}`, '['.repeat(20_000)]),
    () => anyBytes(random, [1, 500]),
    () => text.subarray(0, random.within([0, text.length - 1])),
    () => broken(random, text),
    () => broken(random, text),
    () => Buffer.concat([text.subarray(0, 30), random.pick(notText), text.subarray(30)]),
    () => Buffer.from(text.toString(), 'utf16le'),
    () => wrong(random, event),
    () => wrong(random, event),
    () => wrong(random, event)
  ])()
  // A few are large: rarely, because the embedded broker keeps 5 MB a partition.
  if (random.within([0, 2000]) === 1000) return { key: id, value: randomBytes(random.within([10_000, 900_000])), headers: [] }
  if (random.within([0, 30]) === 15) return { key: random.pick(notText), value: text, headers: headersOf(random) }
  return { key: keyOf(random, id), value, headers: headersOf(random) }
}

const wrong = (random: Random, event: Event<UserRegister>) => {
  const value = random.pick(wrongs)(event)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Changed until it is no JSON any more. */
function broken (random: Random, text: Buffer): Buffer {
  for (let bytes = text; ;) {
    bytes = mutate(random, bytes)
    try {
      JSON.parse(new TextDecoder().decode(bytes))
    } catch {
      return bytes
    }
  }
}
