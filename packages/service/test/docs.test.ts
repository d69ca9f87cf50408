import { Parser } from '@asyncapi/parser'
import { admin, createApp, docs } from '@pair/service'
import { deadLetterTopic, decoder } from '@pair/events'
import { userRegister, userRegisterExample } from '@pair/shared-topics'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { expect, test } from 'vitest'
import { asyncApi, type EventMessage } from '../dist/http/asyncapi.js'
import { eventsPage } from '../dist/http/events-page.js'
import { deadLetter } from '../dist/messages/dead-letters.js'
import { newPriceRequest } from './price-request.js'

const event = userRegister

async function served (options: Omit<Parameters<typeof asyncApi>[0], 'title' | 'group'>) {
  const app = createApp('service', { LOG_LEVEL: 'silent' })
  await app.register(admin, { port: undefined })
  await app.register(docs, { title: 'A service', group: 'a-service', topics: () => options })
  return (await app.inject('/docs/events.json')).body
}

/** The channels of a document by the operations that it names. */
async function operations (text: string) {
  const { document, diagnostics } = await new Parser().parse(text)
  expect(diagnostics).toEqual([])
  return Object.fromEntries(document?.operations().all().map(operation =>
    [operation.id(), { does: operation.action(), on: operation.channels().all().map(channel => channel.address()) }]) ?? [])
}

test('what a service sends is an AsyncAPI document that the official parser finds no fault with', async () => {
  expect(await operations(await served({ sends: [event] }))).toEqual({
    send_user_register: { does: 'send', on: ['user_register'] }
  })
})

test('what a service receives is one too, with the dead letters that it sends', async () => {
  expect(await operations(await served({ receives: [event] }))).toEqual({
    receive_user_register: { does: 'receive', on: ['user_register'] },
    'send_user_register.dlq': { does: 'send', on: ['user_register.dlq'] }
  })
})

test.each([['asks', 'send', 'sends'], ['answers', 'receive', 'receives']] as const)('what a service %s names the topic of its replies, and what stands there', async (_, does, option) => {
  const request = newPriceRequest()
  const { document, diagnostics } = await new Parser().parse(await served({ [option]: [request] }))
  expect(diagnostics).toEqual([])
  const reply = document?.operations().get(`${does}_${request.name}`)?.reply()?.channel()
  expect(reply?.address()).toBe(`${request.name}.reply`)
  const messages = reply?.messages().all().map(message => [message.name(), Object.keys(message.payload()?.properties()?.data?.properties() ?? {}), message.correlationId()?.location()])
  expect(messages).toEqual([
    [`${request.name}.reply`, ['cents'], '$message.payload#/correlationid'],
    [`${request.name}.reply.error`, ['code', 'message'], '$message.payload#/correlationid']
  ])
})

test('the events page shows what a request is answered with', () => {
  const request = newPriceRequest()
  const page = eventsPage(asyncApi({ title: '', group: 'a-service', sends: [request], addressOf: name => `staging.${name}` }))
  expect(page.match(/<h[23].*(?=<)/g)).toEqual([`<h2 id="send_${request.name}">send staging.${request.name}`, `<h3>answered on staging.${request.name}.reply`])
  expect(page).toContain('<code>data.cents</code>')
})

test('addresses are those on the broker, with KAFKA_PREFIX, and ids without it', () => {
  const { channels, operations } = asyncApi({ title: '', group: 'a-service', receives: [event], addressOf: name => `staging.${name}` })
  expect(Object.values(channels).map(({ address }) => address)).toEqual(['staging.user_register', 'staging.user_register.dlq'])
  expect(Object.keys(channels)).toEqual(['user_register', 'user_register.dlq'])
  expect(operations['receive_user_register']?.title).toBe('receive staging.user_register')
})

test('a topic that is read names the consumer group', async () => {
  const { document } = await new Parser().parse(await served({ receives: [event], sends: [{ ...event, name: 'other' }] }))
  const groups = document?.operations().all().map(operation => [operation.id(), operation.bindings().get('kafka')?.value().groupId?.enum])
  expect(groups).toEqual([['send_other', undefined], ['receive_user_register', ['a-service']], ['send_user_register.dlq', undefined]])
  expect(eventsPage(asyncApi({ title: '', group: 'a-service', receives: [event] }))).toContain('Read by the consumer group a-service.')
})

test('the events page shows text as it is written, whatever characters it has', () => {
  const evil = '<script>alert("1")</script> & \'x\''
  const data = Type.Object({ [evil]: Type.String({ description: evil, pattern: evil }) })
  const page = eventsPage(asyncApi({ title: evil, group: evil, receives: [{ ...event, description: evil, data, example: { ...userRegisterExample, source: evil } }] }))
  expect(page).not.toMatch(/<script|& /)
  expect(page.split('&lt;script>').length).toBeGreaterThan(8)
})

test('the events page shows the members of lists, alternatives, and how long an event is kept', () => {
  const data = Type.Object({ lines: Type.Array(Type.Object({ sku: Type.String({ description: 'The article.' }) })), either: Type.Union([Type.Literal('a'), Type.Integer()]) })
  const config = { ...event.config, 'retention.ms': String(36 * 3_600_000), 'max.message.bytes': '2048' }
  const page = eventsPage(asyncApi({ title: '', group: 'a-service', sends: [{ ...event, data, config }] }))
  expect(page).toContain('<code>data.lines[].sku</code><dd>The article.')
  expect(page).toContain('kept for 36 hours, at most 2,048 bytes a message')
  expect(page).not.toMatch(/\[object|undefined|NaN/)
})

const messageOn = (topic: string, document: ReturnType<typeof asyncApi>) => document.channels[topic]?.messages[topic] as EventMessage
const accepts = (schema: EventMessage['payload'], value: unknown) => Value.Check(schema ?? Type.Never(), value)

test('the document tells the schema that the consumer checks, and an event that passes it', () => {
  const { payload, examples } = messageOn('user_register', asyncApi({ title: '', group: 'a-service', receives: [event] }))
  const [example] = examples ?? []
  expect(decoder(userRegister)(Buffer.from(JSON.stringify(example?.payload)))).toMatchObject({ ok: true })
  expect(accepts(payload, example?.payload)).toBe(true)
  expect(accepts(payload, { ...userRegisterExample, dataschema: 'urn:user_register:2' })).toBe(false)
})

test.each(['nothing', 'headers'] as const)('the document tells each header of a dead letter (cut: %s)', cut => {
  const { headers } = messageOn(deadLetterTopic('user_register'), asyncApi({ title: '', group: 'a-service', receives: [event] }))
  const message = { topic: 'user_register', partition: 0, offset: 0, key: null, value: null, headers: [], timestamp: 0, release () {} }
  const letter = deadLetter(message, { reason: 'not-valid', error: 'e', attempts: 0 }, 'group', cut)
  const sent = Object.assign({}, ...letter.headers ?? [])
  expect(accepts(headers, sent)).toBe(true)
  expect(Object.keys(headers && 'properties' in headers ? headers.properties as object : {})).toEqual(expect.arrayContaining(Object.keys(sent)))
})
