import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { Producer, TopicReader, type ClientOptions } from '@pair/kafka'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { startKafkaProxy } from '../../../test/fixtures/kafka-proxy.js'
import { newAuthority, noOpenssl, type Certificate } from '../../../test/fixtures/certificates.js'
import { newScramUser, noSecuredKafka, saslOptions, securedKafka } from '../../../test/fixtures/secured-kafka.js'

// Reasons why a broker cannot be reached, with real listeners that are no matching Kafka listeners.

const deadline = 120_000
const noBroker = 'kafka: no broker can be reached'

type Finish = typeof onTestFinished
interface Line { text: string, broker?: string, reason?: string }

/** A timeout of librdkafka's, which comes where the process has too much else to do: a broker's failure, or a line of its own. */
const isOfBusyProcess = ({ text, reason = '' }: Line) => /timed out/i.test(`${text} ${reason}`)

/** A producer's warnings, without a message that it has to send. */
function warningsOf (options: ClientOptions, finish: Finish = onTestFinished) {
  const lines: Line[] = []
  const everything: string[] = []
  const debug = (details: object, text: string) => { everything.push(JSON.stringify(details) + text) }
  const warn = (details: object, text: string) => { debug(details, text); lines.push({ ...details, text }) }
  const producer = new Producer({ ...options, logger: { debug, info: debug, warn, error: warn }, onState () {} })
  finish(() => producer.close())
  return { lines, everything, told }

  /** The first one of these. */
  async function told (): Promise<Line> {
    return await vi.waitFor(() => {
      const line = lines.find(line => line.text === noBroker && !isOfBusyProcess(line))
      expect(line).toBeDefined()
      return line as Line
    }, deadline)
  }
}

async function listening (server: Server, finish: Finish, port = 0, host = '127.0.0.1') {
  server.listen(port, host)
  await once(server, 'listening')
  finish(() => { server.close() })
  return (server.address() as AddressInfo).port
}

const tlsServer = ({ cert, key }: Certificate) =>
  createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, socket => socket.on('error', () => {})).on('tlsClientError', () => {})

const http = () => createHttpServer((_request, response) => response.end())
const authority = noOpenssl ? undefined : newAuthority()
const tls = { 'security.protocol': 'ssl', 'ssl.ca.location': authority?.ca }

interface Case { where: (finish: Finish) => Promise<string> | string, options?: ClientOptions, reason: RegExp, skip?: string | false }

const cases: Record<string, Case> = {
  'nothing listens': { where: () => '127.0.0.1:1', reason: /^Connect to ipv4#127\.0\.0\.1:1 failed: Connection refused$/ },
  'nothing listens, by IPv6': { where: () => '[::1]:1', reason: /^Connect to ipv6#\[::1\]:1 failed: / },
  'a name that nobody knows': { where: () => 'no-such-host.invalid:9092', reason: /^Failed to resolve 'no-such-host\.invalid:9092': / },
  'an HTTP server': { where: async finish => `127.0.0.1:${await listening(http(), finish)}`, reason: /^the server is no Kafka listener without TLS: its first bytes are "HTTP"$/ },
  'a server that hangs up': { where: async finish => `127.0.0.1:${await listening(createTcpServer(socket => socket.destroy()), finish)}`, reason: /^Disconnected/ },
  'TLS to a listener without': {
    // as Kafka, which hangs up on what it does not understand
    where: async finish => `127.0.0.1:${await listening(createTcpServer(socket => socket.once('data', () => socket.destroy())), finish)}`,
    options: { 'security.protocol': 'ssl' },
    reason: /connecting to a PLAINTEXT broker listener\?/
  },
  'no TLS to a listener with it': {
    skip: noOpenssl, where: async finish => `localhost:${await listening(tlsServer(authority!.sign('localhost')), finish)}`, reason: /is it a TLS listener\?$/
  },
  'an authority that is not trusted': {
    skip: noOpenssl, where: async finish => `localhost:${await listening(tlsServer(authority!.sign('localhost')), finish)}`, options: { 'security.protocol': 'ssl' }, reason: /^certificate verify failed: its authority/
  },
  'a certificate for another name': {
    skip: noOpenssl, where: async finish => `localhost:${await listening(tlsServer(authority!.sign('elsewhere')), finish)}`, options: tls, reason: /^certificate verify failed: .*another name/
  },
  'a certificate that has expired': {
    skip: noOpenssl, where: async finish => `localhost:${await listening(tlsServer(authority!.sign('localhost', -1)), finish)}`, options: tls, reason: /^certificate verify failed: .*expired/
  },
  'no client certificate': {
    skip: noSecuredKafka, where: () => securedKafka().mtls, options: { 'security.protocol': 'ssl', ...(!noSecuredKafka && { 'ssl.ca.location': `${securedKafka().tls}/ca.pem` }) }, reason: /alert.*the broker refuses the client's certificate, or there is none$/
  },
  'a mechanism that the broker has not': {
    skip: noSecuredKafka, where: () => securedKafka().sasl, options: noSecuredKafka ? {} : saslOptions('x', 'y', 'SCRAM-SHA-512'), reason: /Unsupported SASL mechanism: broker's supported mechanisms: /
  },
  'a user whom nobody knows (PLAIN)': {
    skip: noSecuredKafka, where: () => securedKafka().sasl, options: noSecuredKafka ? {} : saslOptions('nobody', 'whatever', 'PLAIN'), reason: /Authentication failed: Invalid username or password$/
  }
}

test.concurrent.for(Object.entries(cases).map(([name, rest]) => ({ name: rest.skip ? `${name} (${rest.skip})` : name, ...rest })))('the reason stands at warn, with host and port: $name', async ({ where, options, reason, skip }, { onTestFinished, skip: skipTest }) => {
  skipTest(Boolean(skip))
  const broker = await where(onTestFinished)
  const { told } = warningsOf({ ...options, 'metadata.broker.list': broker }, onTestFinished)
  expect(await told()).toEqual({ text: noBroker, broker, reason: expect.stringMatching(reason) })
})

test.concurrent('a reason is told once, and again when it changes', async ({ onTestFinished }) => {
  let answer = ''
  const port = await listening(createTcpServer(socket => answer ? socket.on('error', () => {}).end(answer) : socket.destroy()), onTestFinished)
  const broker = `127.0.0.1:${port}`
  let seconds = 0
  const { lines, told } = warningsOf({ 'metadata.broker.list': broker, onStatistics: () => { seconds++ } }, onTestFinished)
  const pass = async (count: number) => { const until = seconds + count; await vi.waitFor(() => expect(seconds).toBeGreaterThanOrEqual(until), deadline) }
  await told()
  await pass(3)
  expect(lines).toEqual([{ text: noBroker, broker, reason: expect.stringContaining('Disconnected') }])
  answer = 'SSH-2.0-OpenSSH_9.2'
  await vi.waitFor(() => expect(lines).toHaveLength(2), deadline)
  await pass(3)
  expect(lines.slice(1)).toEqual([{ text: noBroker, broker, reason: expect.stringContaining('its first bytes are "SSH-"') }])
})

test.concurrent('a name that the broker wrongly tells its clients stands at warn, although that broker answers', async ({ onTestFinished }) => {
  const kafka = await startKafkaProxy(inject('kafkaBrokers'))
  kafka.advertise(1)
  const { lines, told } = warningsOf({ 'metadata.broker.list': kafka.address }, onTestFinished)
  const line = await told()
  expect(line).toMatchObject({ broker: '127.0.0.1:1', reason: expect.stringContaining('Connection refused') })
  expect(lines.filter(line => !isOfBusyProcess(line)), JSON.stringify(lines)).toEqual([line])
})

test.concurrent('one wrong address of two is no outage', async ({ onTestFinished }) => {
  let seconds = 0
  const { lines } = warningsOf({ 'metadata.broker.list': `127.0.0.1:1,${inject('kafkaBrokers')}`, onStatistics: () => { seconds++ } }, onTestFinished)
  await vi.waitFor(() => expect(seconds).toBeGreaterThan(2), deadline)
  // A new Kafka has other things to say while it starts.
  for (const line of lines.filter(({ text }) => String(text).includes('reached'))) expect(line).toMatchObject({ text: 'kafka: a broker cannot be reached', broker: '127.0.0.1:1' })
})

test.skipIf(noSecuredKafka)('a wrong password is named as the reason, and is in no log line', async () => {
  const { name, password } = await newScramUser()
  const wrong = `${password}-wrong`
  const { told, everything } = warningsOf({ ...saslOptions(name, wrong), debug: 'security,broker' })
  expect(await told()).toMatchObject({ text: noBroker, broker: securedKafka().sasl, reason: expect.stringContaining('invalid credentials') })
  expect(everything.join()).not.toContain(password)
})

test.concurrent('a reader\'s error includes the reason', async ({ onTestFinished }) => {
  const reader = new TopicReader({ 'metadata.broker.list': 'no-such-host.invalid:9092' })
  onTestFinished(() => reader.close())
  await expect(reader.topics()).rejects.toMatchObject({ codeName: 'ERR__TRANSPORT', message: expect.stringMatching(/^no-such-host\.invalid:9092: Failed to resolve/) })
})
