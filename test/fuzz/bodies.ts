import { gzipSync } from 'node:zlib'
import { anyBytes, mutate } from './mutate.js'
import type { Random } from './seed.js'

export interface Body {
  body: Buffer
  headers: Record<string, string>
  /** Where there is only one right answer. */
  status?: number
}

export const taken = { email: 'taken@example.com', username: 'taken' }
const limit = 16 * 1024
const json = { 'content-type': 'application/json' }
const text = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
const fill = (size: number) => `{"email":"${'x'.repeat(size - 12)}"}`

const contentTypes = [
  'application/json; charset=utf-8', 'application/json;charset=utf-16', 'APPLICATION/JSON', 'application/json;;;', 'application/json, text/plain',
  'application/vnd.api+json', 'text/plain', 'multipart/form-data', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded',
  'application/octet-stream', 'application', '/', ';', '*/*', 'text/html; charset="', 'x'.repeat(3000), 'application/json\t', '__proto__', 'constructor/prototype'
]
const strange: unknown[] = [
  null, true, false, 0, -0, 1, 1e308, Number.MAX_SAFE_INTEGER + 1, -1.5e-300, '', ' ', [], {}, [[]], ['a@example.com'], { toString: 'x' }, { length: 5 },
  '\0', 'a\0b', '\ud800', '\udc00\ud800', 'a@b', 'a@example.com\n', '"@"@example.com', 'ａdmin', 'аdmin', 'ſtar', 'K', 'İi', 'e\u0301', '\u202eabc', '👩‍👩‍👧', '../..', '%00',
  "'; drop table users; --", '$1', '[object Object]', 'x'.repeat(300)
]
const poisons = ['{"__proto__":{"isAdmin":true},', '{"\\u005f_proto__":[],', '{"constructor":{"prototype":{"x":1}},', '{"a":{"__proto__":null},']
const deep = ['['.repeat(8000), '{"a":'.repeat(3000), `${'['.repeat(8000)}${']'.repeat(8000)}`, `${'{"a":'.repeat(2000)}1${'}'.repeat(2000)}`]
const notJson = ['', ' ', '\n', 'null', 'true', '0', '"text"', '[]', '{}', '{', 'NaN', "{'email':1}", '{email:1}', '{"email":01}', '{"email":1e999}', '{"email":"a\nb"}', '{"email":"\\x"}', '{"email":"\\u12"}', '{}{}', '//', '{"email":1,}']

/** Bodies for POST /user/register: the n-th is the only one with its email and username, where it has any. */
export function anyBody (random: Random, n: number): Body {
  const user = { email: `fuzz-${n}@example.com`, username: `fuzz-${n}` }
  const valid = text(user)
  const odd = (): unknown => random.pick(strange)
  return random.pick<() => Body>([
    () => ({ body: random.pick(goodBodies(user)), headers: json, status: 201 }),
    () => ({ body: text({ ...user, email: random.pick([taken.email, taken.email.toUpperCase()]) }), headers: json, status: 409 }),
    () => ({ body: text({ ...user, [random.pick(['email', 'username'])]: odd() }), headers: json, status: 400 }),
    () => ({ body: text({ ...user, [random.pick(['id', 'more', 'Email', 'toString', ''])]: odd() }), headers: json, status: 400 }),
    () => ({ body: text(random.pick([{ email: user.email }, { username: user.username }, [user], [user, user], { user }])), headers: json, status: 400 }),
    () => ({ body: Buffer.concat([text(random.pick(poisons)), valid.subarray(1)]), headers: json, status: 400 }),
    () => ({ body: text(random.pick(deep)), headers: json, status: 400 }),
    () => ({ body: text(random.pick(notJson)), headers: json, status: 400 }),
    () => ({ body: text(fill(random.within([limit - 100, limit]))), headers: json, status: 400 }),
    () => ({ body: text(fill(random.within([limit + 1, limit * 4]))), headers: json, status: 413 }),
    () => ({ body: random.pick([Buffer.from(valid.toString(), 'utf16le'), Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(valid.toString(), 'utf16le').swap16()])]), headers: { 'content-type': 'application/json; charset=utf-16' }, status: 400 }),
    () => ({ body: gzipSync(valid), headers: { ...json, 'content-encoding': random.pick(['gzip', 'identity, gzip', 'br']) }, status: 400 }),
    () => ({ body: Buffer.concat([valid.subarray(0, 10), random.pick([Buffer.from([0xff]), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0])]), valid.subarray(10)]), headers: json, status: 400 }),
    () => ({ body: valid.subarray(0, random.within([0, valid.length - 1])), headers: json, status: 400 }),
    () => ({ body: random.pick([valid, Buffer.alloc(0)]), headers: { 'content-type': random.pick(contentTypes) } }),
    () => ({ body: valid, headers: {}, status: 415 }),
    () => ({ body: anyBytes(random, [1, 300]), headers: json, status: 400 }),
    () => ({ body: mutate(random, valid), headers: json }),
    () => ({ body: mutate(random, mutate(random, valid)), headers: random.pick([json, { ...json, 'content-encoding': 'gzip' }, { 'content-type': random.pick(contentTypes) }]) })
  ])()
}

/** One user, in many ways of writing. */
const goodBodies = ({ email, username }: typeof taken) => [
  JSON.stringify({ email, username }),
  JSON.stringify({ username, email }, null, 4),
  `\r\n\t {"email":"${email}"\n,"username":"${username}"} \n`,
  `{"email":"first@example.com","username":"first","username":"${username}","email":"${email}"}`,
  `{"\\u0065mail":"${email.replace('@', '\\u0040')}","username":"${username}"}`,
  `{"email":"${email}","username":"${username}"}${' '.repeat(10_000)}`
].map(text)
