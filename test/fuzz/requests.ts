import { mutate, anyBytes } from './mutate.js'
import type { Random } from './seed.js'

export interface RawRequest {
  bytes: Buffer
  /** How many answers a client can expect; where it cannot know, there are as many as there are. */
  answers?: number
  isHead?: boolean
}

const lengths = ['0', '-1', '+5', '0x10', '1e3', ' ', '5, 5', '5\r\nContent-Length: 6', '99999999999999999999', '١٢', '']
const encodings = ['chunked, chunked', 'gzip, chunked', 'xchunked', 'chunked\r\nContent-Length: 5', 'identity', 'chunked\r\nTransfer-Encoding: identity', '']
const chunks = ['zz\r\nabc\r\n0\r\n\r\n', 'ffffffffffffffffff\r\n', '5\r\nab\r\n0\r\n\r\n', '-1\r\n', `5;${'x'.repeat(20_000)}\r\nabcde\r\n0\r\n\r\n`, '0\r\n\r\n', '0\r\nTrailer: x\r\n\r\n', '\r\n']
const methods = ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'SEARCH', 'M-SEARCH', 'CONNECT', 'post', 'FOO', '', 'GET\0', 'X'.repeat(9000)]
const paths = [
  '/', '/user', '/user/', '/user/register/', '//user/register', '/user//register', '/USER/REGISTER', '/user/register?x=%ff', '/user/register;a', '/user/register#a', '/user/%72egister',
  '/user/%', '/user/%00', '/user/%E0%A4%A', '/user/%ff', `/user/${'x'.repeat(99)}`, `/user/${'x'.repeat(5000)}`, `/user/${'%41'.repeat(60)}`, '/user/00000000-0000-4000-8000-000000000000',
  '/user/urn:uuid:00000000-0000-4000-8000-000000000000', '/user/../etc/passwd', '/docs/static/../../package.json', '/docs/static/%2e%2e%2fpackage.json', '/docs/static/%00', '/health/ready/..',
  '*', 'http://127.0.0.1/user/register', 'http://[::1', '?', '/ü', '/\u0000', '/user/__proto__', '/constructor', `/${'a/'.repeat(2000)}`, ''
]
const headerLines = [
  'X-A: \xff\xfe', 'X-A: \0', 'X-A: a\r\n b', 'X-A : b', 'X A: b', ': b', 'X-A', 'X-A:', `X-A: ${'x'.repeat(8000)}`, `X-A: ${'x'.repeat(20_000)}`, `${'X: y\r\n'.repeat(1500)}X: y`, `${'X'.repeat(10_000)}: y`,
  'Expect: 100-continue', 'Expect: more', 'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings', 'Upgrade: websocket', 'Host: other', 'Host: a b', 'Host:', 'Content-Type: text/plain', 'Content-Encoding: br',
  'Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', 'Traceparent: 00-x', `Traceparent: ${'0'.repeat(5000)}`, 'Request-Id: \t', 'X-Request-Id: {"level":50}', 'Accept-Version: 1.0.0', 'Accept-Version: \xff',
  'Cookie: __proto__=1', 'X-Forwarded-For: ::::', 'X-Http-Method-Override: DELETE', 'If-Match: *', 'Range: bytes=0-', 'Accept: image/*', '__proto__: x', 'constructor: x'
]

/** What a socket can be sent besides well-formed requests. Users in it are named raw-…: their answer may be lost. */
export function anyRequest (random: Random, n: number): RawRequest {
  const user = (which = 0) => JSON.stringify({ email: `raw-${n}-${which}@example.com`, username: `raw-${n}-${which}` })
  const close = 'Connection: close'
  const request = ({ line = 'POST /user/register HTTP/1.1', headers = [close], body = user(), length = `Content-Length: ${Buffer.byteLength(body)}` } = {}) =>
    Buffer.from([line, 'Host: localhost', 'Content-Type: application/json', length, ...headers, '', body].join('\r\n'), 'latin1')
  const some = Array.from({ length: random.within([2, 5]) }, (_, which) => which)
  const method = random.pick(methods)

  return random.pick<() => RawRequest>([
    () => ({ bytes: request({ length: `Content-Length: ${random.pick(lengths)}` }) }),
    () => ({ bytes: request({ length: `Content-Length: ${random.within([0, 200])}` }) }),
    () => ({ bytes: request({ length: `Transfer-Encoding: ${random.pick(encodings)}`, body: random.pick([...chunks, user()]) }) }),
    () => ({ bytes: request({ length: 'Transfer-Encoding: chunked', body: random.pick(chunks) }) }),
    () => ({ bytes: request({ length: 'Transfer-Encoding: chunked', body: `${user().length.toString(16)}\r\n${user()}\r\n0\r\n\r\n` }), answers: 1 }),
    () => ({ bytes: Buffer.concat(some.map(which => request({ body: random.pick([user(which), user(0), '{}']), headers: which === some.length - 1 ? [close] : [] }))), answers: some.length }),
    // A body that is no JSON is the last thing that is read on a connection.
    () => ({ bytes: Buffer.concat([request({ body: random.pick(['[', '{}x', '']), headers: [] }), request()]) }),
    () => ({ bytes: Buffer.concat([request({ headers: [] }), random.pick([anyBytes(random, [1, 100]), mutate(random, request())])]) }),
    () => ({ bytes: request({ line: `${method} ${random.pick(paths)} HTTP/1.1` }), isHead: method === 'HEAD' }),
    () => ({ bytes: request({ line: `${random.pick(['GET', 'POST', 'DELETE'])} ${random.pick(paths)} HTTP/1.1`, body: random.pick(['', user()]) }) }),
    () => ({ bytes: request({ line: `POST /user/register ${random.pick(['HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/1.1 ', 'HTTPS/1.1', '', 'RTSP/1.0'])}` }) }),
    () => ({ bytes: request({ headers: [random.pick(headerLines), close] }) }),
    () => ({ bytes: request({ headers: [random.pick(headerLines), random.pick(headerLines), close] }) }),
    () => ({ bytes: mutate(random, request()) }),
    () => ({ bytes: anyBytes(random, [1, 500]) }),
    () => ({ bytes: Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n') })
  ])()
}
