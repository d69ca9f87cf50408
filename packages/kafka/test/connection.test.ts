import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import rdkafka from 'node-rdkafka'
import { connection } from '@pair/kafka/connection'
import { afterAll, describe, expect, test } from 'vitest'
import { newAuthority, noOpenssl } from '../../../test/fixtures/certificates.js'
import { consumerConfiguration, producerConfiguration } from '../dist/options.js'

const folder = mkdtempSync(join(tmpdir(), 'connection-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
function file (content: string): string {
  const name = join(folder, String(files++))
  writeFileSync(name, content)
  return name
}

const brokers = { KAFKA_BROKERS: 'a:1' }
const scram = { ...brokers, KAFKA_SECURITY_PROTOCOL: 'sasl_ssl', KAFKA_SASL_MECHANISM: 'SCRAM-SHA-256', KAFKA_SASL_USERNAME: 'me' }
const messageOf = (env: Record<string, string>): string => {
  try {
    connection(env)
    return 'taken'
  } catch (error) {
    return (error as Error).message
  }
}

test.each([
  ['a:1', true], ['a:1,b:2', true], ['a:1, b:2', true], [' a:1 , b:2 ', true], ['[::1]:9092', true], ['a.example:65535', true],
  ['a', false], ['a:1,', false], ['a:1,,b:2', false], ['a:1;b:2', false], ['a:0', false], ['a:65536', false], ['kafka://a:1', false], ['::1:9092', false], ['a b:1', false]
])('KAFKA_BROKERS="%s" is a list of brokers: %s', (KAFKA_BROKERS, isRight) => {
  expect(messageOf({ KAFKA_BROKERS })).toBe(isRight ? 'taken' : 'KAFKA_BROKERS must be host:port,host:port')
})

describe('connection', () => {
  test.skipIf(noOpenssl)('has librdkafka\'s property for each variable, whatever the case of protocol and mechanism', () => {
    const authority = newAuthority()
    const { ca, cert, key } = authority.sign('me', 30, 'hidden')
    expect(connection({
      ...scram,
      KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
      KAFKA_SASL_MECHANISM: 'scram-sha-512',
      KAFKA_SASL_PASSWORD: 'secret',
      KAFKA_SSL_CA_LOCATION: ca,
      KAFKA_SSL_CERTIFICATE_LOCATION: cert,
      KAFKA_SSL_KEY_LOCATION: key,
      KAFKA_SSL_KEY_PASSWORD: 'hidden'
    })).toEqual({
      'metadata.broker.list': 'a:1',
      'security.protocol': 'sasl_ssl',
      'sasl.mechanism': 'SCRAM-SHA-512',
      'sasl.username': 'me',
      'sasl.password': 'secret',
      'ssl.ca.location': ca,
      'ssl.certificate.location': cert,
      'ssl.key.location': key,
      'ssl.key.password': 'hidden'
    })
  })

  test('takes each value from a file too, without the newline at its end', () => {
    const found = connection({ ...scram, KAFKA_SASL_PASSWORD_FILE: file(' päss=w#rd \n'), KAFKA_BROKERS: '', KAFKA_BROKERS_FILE: file('b:2\n') })
    expect(found).toMatchObject({ 'sasl.password': ' päss=w#rd ', 'metadata.broker.list': 'b:2' })
  })

  test('takes any other property from a file in kcat\'s format, which gives way to variables, and both to code', () => {
    const KAFKA_PROPERTIES_FILE = file('# of the cluster\n\nbootstrap.servers=b:2\r\n  socket.keepalive.enable = true\nclient.id=file\nsocket.timeout.ms=5000\nmessage.timeout.ms=9000\nlinger.ms=1\nlinger.ms=2')
    expect(connection({ KAFKA_PROPERTIES_FILE })).toMatchObject({ 'metadata.broker.list': 'b:2', 'linger.ms': '2' })
    const { global, topic } = producerConfiguration({ ...connection({ ...brokers, KAFKA_PROPERTIES_FILE }), 'client.id': 'code' })
    expect(global).toMatchObject({ 'metadata.broker.list': 'a:1', 'client.id': 'code', 'socket.keepalive.enable': 'true', 'socket.timeout.ms': '5000', 'enable.idempotence': true })
    expect(topic).toMatchObject({ 'message.timeout.ms': '9000', acks: 'all' })
  })

  test('reads no other variable: Kubernetes sets KAFKA_PORT for a Service named kafka', () => {
    expect(connection({ ...brokers, KAFKA_PORT: 'tcp://10.0.0.1:9092', KAFKA_CLIENT_ID: 'x', KAFKA_PREFIX: 'staging.' })).toEqual({ 'metadata.broker.list': 'a:1' })
  })

  test('asks OAUTHBEARER\'s tokens of a server where librdkafka was built with libcurl, and is refused in one line elsewhere', () => {
    const message = messageOf({
      ...brokers,
      KAFKA_SECURITY_PROTOCOL: 'sasl_ssl',
      KAFKA_SASL_MECHANISM: 'OAUTHBEARER',
      KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL: 'https://login',
      KAFKA_SASL_OAUTHBEARER_CLIENT_ID: 'me',
      KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET: 'secret'
    })
    if (rdkafka.features.includes('oidc')) expect(message).toBe('taken')
    else expect(message).toMatch(/^KAFKA_SASL_MECHANISM=OAUTHBEARER needs a librdkafka that was built with libcurl.*$/)
  })
})

test.each<[string, Record<string, string>]>([
  ['KAFKA_BROKERS must be host:port,host:port, and is not set', {}],
  ['KAFKA_BROKERS and KAFKA_BROKERS_FILE are both set', { ...brokers, KAFKA_BROKERS_FILE: '/none' }],
  ['KAFKA_SASL_PASSWORD and KAFKA_SASL_PASSWORD_FILE are both set', { ...scram, KAFKA_SASL_PASSWORD: 'topsecret', KAFKA_SASL_PASSWORD_FILE: '/none' }],
  ['KAFKA_SASL_PASSWORD_FILE names a file that cannot be read: ENOENT', { ...scram, KAFKA_SASL_PASSWORD_FILE: '/topsecret' }],
  ['KAFKA_SECURITY_PROTOCOL must be plaintext, ssl, sasl_plaintext or sasl_ssl', { ...brokers, KAFKA_SECURITY_PROTOCOL: 'topsecret' }],
  ['KAFKA_SECURITY_PROTOCOL must be sasl_plaintext or sasl_ssl, because KAFKA_SASL_USERNAME (sasl.username) is set', { ...brokers, KAFKA_SASL_USERNAME: 'me', KAFKA_SECURITY_PROTOCOL: 'ssl' }],
  ['KAFKA_SECURITY_PROTOCOL must be ssl or sasl_ssl, because KAFKA_SSL_CA_LOCATION (ssl.ca.location) is set', { ...brokers, KAFKA_SSL_CA_LOCATION: folder }],
  ['KAFKA_SASL_MECHANISM must be PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER, and is not set', { ...brokers, KAFKA_SECURITY_PROTOCOL: 'sasl_ssl' }],
  ['KAFKA_SASL_PASSWORD must be set for KAFKA_SASL_MECHANISM=SCRAM-SHA-256', scram],
  ['KAFKA_SSL_CA_LOCATION names a file that cannot be read: ENOENT', { ...brokers, KAFKA_SECURITY_PROTOCOL: 'ssl', KAFKA_SSL_CA_LOCATION: '/topsecret' }],
  ['KAFKA_PROPERTIES_FILE names a file that cannot be read: ENOENT', { ...brokers, KAFKA_PROPERTIES_FILE: '/topsecret' }],
  ['KAFKA_PROPERTIES_FILE, line 2: must be name=value', { ...brokers, KAFKA_PROPERTIES_FILE: file('# x\ntopsecret') }],
  ['KAFKA_PROPERTIES_FILE, line 1: No such configuration property: "no.such.thing"', { ...brokers, KAFKA_PROPERTIES_FILE: file('no.such.thing=topsecret') }],
  ['KAFKA_PROPERTIES_FILE, line 1: Invalid value for configuration property "security.protocol"', { ...brokers, KAFKA_PROPERTIES_FILE: file('security.protocol=topsecret') }]
])('connection says: %s', (expected, env) => {
  expect(messageOf(env)).toBe(expected)
})

test.skipIf(noOpenssl)('connection names a certificate, a key or its password that cannot be used, and does not repeat it', () => {
  const authority = newAuthority()
  const [own, other] = [authority.sign('own', 30, 'topsecret'), authority.sign('other')]
  const ssl = { ...brokers, KAFKA_SECURITY_PROTOCOL: 'ssl', KAFKA_SSL_CA_LOCATION: own.ca, KAFKA_SSL_CERTIFICATE_LOCATION: own.cert, KAFKA_SSL_KEY_LOCATION: own.key, KAFKA_SSL_KEY_PASSWORD: 'topsecret' }
  expect(messageOf(ssl)).toBe('taken')
  expect(messageOf({ ...ssl, KAFKA_SSL_KEY_PASSWORD: 'topsecret2' })).toMatch(/^KAFKA_SSL_KEY_LOCATION with KAFKA_SSL_KEY_PASSWORD cannot be used: \w+$/)
  expect(messageOf({ ...ssl, KAFKA_SSL_CERTIFICATE_LOCATION: other.cert })).toMatch(/^KAFKA_SSL_CERTIFICATE_LOCATION with KAFKA_SSL_KEY_LOCATION cannot be used: \w+$/)
  expect(messageOf({ ...ssl, KAFKA_SSL_CERTIFICATE_LOCATION: own.key })).toMatch(/^KAFKA_SSL_CERTIFICATE_LOCATION cannot be used: \w+$/)
})

test.each([
  'group.id', 'acks', 'request.required.acks', 'enable.idempotence', 'enable.auto.commit', 'enable.auto.offset.store', 'isolation.level', 'auto.offset.reset', 'plugin.library.paths', 'dr_msg_cb'
])('%s is refused in a properties file, because promises rest on it', name => {
  expect(messageOf({ ...brokers, KAFKA_PROPERTIES_FILE: file(`linger.ms=1\n${name}=topsecret`) })).toBe(`KAFKA_PROPERTIES_FILE, line 2: ${name} cannot be set here, the services set it`)
})

test('what librdkafka knows by two names is one property, so that what is set in code stands', () => {
  const KAFKA_PROPERTIES_FILE = file('queue.buffering.max.ms=7\ncompression.codec=lz4\nsasl.mechanisms=PLAIN\nsecurity.protocol=sasl_ssl\nsasl.username=me\nsasl.password=secret')
  expect(consumerConfiguration({ ...connection({ ...brokers, KAFKA_PROPERTIES_FILE }), groupId: 'us' }).global).toMatchObject({
    'linger.ms': '7', 'compression.type': 'lz4', 'sasl.mechanism': 'PLAIN'
  })
})
