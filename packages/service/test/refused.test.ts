import { connect, type AddressInfo, type Socket } from 'node:net'
import { Writable } from 'node:stream'
import { admin, createApp, metrics } from '@pair/service'
import { expect, onTestFinished, test, vi } from 'vitest'

async function listening () {
  const lines: Array<Record<string, unknown>> = []
  const app = createApp('x', { LOG_LEVEL: 'debug' }, new Writable({ write (chunk, _encoding, done) { lines.push(JSON.parse(String(chunk))); done() } }))
  await app.register(admin, { port: undefined })
  await app.register(metrics)
  let answerSlow = () => {}
  app.get('/slow', () => new Promise<string>(resolve => { answerSlow = () => resolve('ok') }))
  app.get('/', async () => 'ok')
  await app.listen({ host: '127.0.0.1', port: 0 })
  onTestFinished(() => app.close())
  return { app, lines, answerSlow: () => answerSlow(), open: () => open((app.server.address() as AddressInfo).port) }
}

/** A connection, what was answered on it, and its end. */
function open (port: number) {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  let received = ''
  socket.on('data', bytes => { received += String(bytes) })
  const ended = new Promise<string>(resolve => socket.on('close', () => resolve(received)))
  onTestFinished(() => { socket.destroy() })
  return { ended, received: () => received, send: (text: string) => socket.write(text) }
}

const problemOf = (answer: string) => {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  expect(head).toMatch(/^content-type: application\/problem\+json/m)
  expect(head).toMatch(/^connection: close$/im)
  expect(head).toMatch(new RegExp(`^content-length: ${Buffer.byteLength(body)}$`, 'm'))
  return JSON.parse(body)
}

test.for([
  ['a request without Host', 'GET / HTTP/1.1\r\n\r\n', 400, 'bad-request'],
  ['one that expects what cannot be met', 'POST / HTTP/1.1\r\nhost: a\r\nexpect: more\r\ncontent-length: 5\r\n\r\n', 417, 'expectation-failed']
] as const)('%s is answered with a problem, logged and counted', async ([, request, status, type]) => {
  const { app, lines, open } = await listening()
  const { send, ended } = open()
  send(request)
  const answer = await ended
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  expect(problemOf(answer)).toMatchObject({ type: `urn:problem:${type}`, status })
  expect(lines).toContainEqual(expect.objectContaining({ msg: 'request completed', res: expect.objectContaining({ statusCode: status }) }))
  expect((await app.inject('/metrics')).body).toMatch(new RegExp(`^http_server_request_duration_seconds_count\\{.*http_response_status_code="${status}"\\} 1$`, 'm'))
})

test.for(['GET / HTTP/1.0\r\n\r\n', 'GET / HTTP/1.1\r\nhost: a\r\nexpect: 100-Continue\r\nconnection: close\r\n\r\n'])('what is right is not refused: %j', async request => {
  const { open } = await listening()
  const { send, ended } = open()
  send(request)
  expect(await ended).toMatch(/HTTP\/1.1 200 OK[^]*ok$/)
})

test('what is not HTTP is counted by its status, and logged once in 10 s, without what was sent', async () => {
  const { app, lines, open } = await listening()
  for (const request of ['secret\r\n\r\n', 'secret\r\n\r\n', `GET /secret HTTP/1.1\r\nhost: ${'a'.repeat(20_000)}\r\n\r\n`]) {
    const { send, ended } = open()
    send(request)
    problemOf(await ended)
  }
  const { body } = await app.inject('/metrics')
  for (const [status, count] of [[400, 2], [408, 0], [431, 1]]) expect(body).toMatch(new RegExp(`^http_server_broken_requests_total\\{http_response_status_code="${status}"\\} ${count}$`, 'm'))
  expect(lines.filter(({ msg }) => msg === 'broken request refused')).toMatchObject([{ statusCode: 400, reason: expect.stringMatching(/^HPE_/), count: 1 }])
  expect(JSON.stringify(lines)).not.toContain('secret')
})

test('while a service closes, what is under way is answered, what comes late gets a problem 503, and the connections end', async () => {
  const { app, answerSlow, open, lines } = await listening()
  const sockets: Socket[] = []
  app.server.on('connection', socket => sockets.push(socket))
  const [slow, late] = [open(), open()]
  slow.send('GET /slow HTTP/1.1\r\nhost: a\r\n\r\n')
  late.send('GET / HTTP/1.1\r\n')
  await vi.waitFor(() => {
    expect(lines.map(({ msg }) => msg)).toContain('incoming request')
    expect(sockets.map(({ bytesRead }) => bytesRead > 0)).toEqual([true, true])
  })
  const closed = app.close()
  await vi.waitFor(() => expect(app.server.listening).toBe(false))
  late.send('host: a\r\n\r\n')
  expect(problemOf(await late.ended)).toMatchObject({ type: 'urn:problem:unavailable', status: 503 })
  answerSlow()
  expect(await slow.ended).toMatch(/^HTTP\/1.1 200 OK[^]*\r\nconnection: close\r\n[^]*ok$/i)
  await closed
})
