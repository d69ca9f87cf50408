import { requestConfig } from '@pair/events'
import { provisionTopics } from '@pair/kafka'
import { beforeAll, expect, test } from 'vitest'
import { brokers, onBroker, startReady, useBroker } from './fixtures/harness.js'
import { give, newScramUser, noSecuredKafka } from './fixtures/secured-kafka.js'
import { expectNoSecret } from './fixtures/secrets.js'
import { checks, eventually, refusedLines, within15s, type Service } from './fixtures/services.js'

// Rights of services that ask and answer, which have no database.

const secured = test.skipIf(noSecuredKafka)
const named = (name: string) => noSecuredKafka ? `${name} (${noSecuredKafka})` : name
let requests: string
let replies: string

useBroker()
beforeAll(async () => {
  [requests, replies] = [onBroker('price_request'), onBroker('price_request.reply')]
  await provisionTopics({ bootstrapBrokers: brokers }, [requests, replies].map(name => ({ name, partitions: 1, config: requestConfig })))
})

const priceOf = async ({ url }: Service, timeoutMs: number) => (await fetch(`${url}/price/7?timeoutMs=${timeoutMs}`)).status
const expectKafka = async (service: Service, state: unknown) => await eventually(async () => expect(await checks(service)).toMatchObject({ status: 200, kafka: state }), within15s)

secured(named('a service that asks says what it may not: see replies, read them, send requests; and asks once it may'), async () => {
  const { name, password, settings } = await newScramUser()
  const warehouse = await startReady('warehouse')
  const shop = await startReady('shop', settings)
  await eventually(() => expect(shop.lines).toContainEqual(expect.objectContaining({
    level: 40, topic: replies, msg: 'kafka: the topic is not found: it does not exist, or a right to read it is missing'
  })), within15s)
  await expectKafka(shop, 'replies to price_request are not read yet')

  await give({ user: name, operation: 'describe', on: 'topic', name: replies })
  await expectKafka(shop, 'replies to price_request refused: Topic authorization failed')
  await give({ user: name, operation: 'read', on: 'topic', name: replies })
  await expectKafka(shop, 'up')
  expect(new Set(refusedLines(shop, replies))).toEqual(new Set(['ERR_TOPIC_AUTHORIZATION_FAILED']))

  expect(await priceOf(shop, 500)).toBeGreaterThanOrEqual(503)
  await expectKafka(shop, expect.stringMatching(/^requests or replies refused: .*authorization failed/))
  await give({ user: name, operation: 'write', on: 'topic', name: requests })
  await eventually(async () => expect(await priceOf(shop, 5000)).toBe(200))
  await expectKafka(shop, 'up')
  expect(refusedLines(shop, requests)).toContain('ERR_TOPIC_AUTHORIZATION_FAILED')
  for (const service of [shop, warehouse]) await expectNoSecret(service, password)
})

secured(named('a service that may not write its replies is not consuming, with the reason, and answers what waits once it may'), async () => {
  const { name, password, settings } = await newScramUser()
  await give({ user: name, operation: 'read', on: 'topic', name: requests }, { user: name, operation: 'read', on: 'group', name: onBroker('warehouse-service') })
  const [shop, warehouse] = [await startReady('shop'), await startReady('warehouse', settings)]
  await expectKafka(shop, 'up')
  const asked = priceOf(shop, 100_000)
  await eventually(async () => expect(await checks(warehouse, 'consuming')).toMatchObject({ status: 503, kafka: expect.stringMatching(/^requests or replies refused: .*authorization failed/) }), within15s)
  await give({ user: name, operation: 'write', on: 'topic', name: replies })
  expect(await asked).toBe(200)
  await expectKafka(warehouse, 'up')
  expect(refusedLines(warehouse, replies)).toContain('ERR_TOPIC_AUTHORIZATION_FAILED')
  await expectNoSecret(warehouse, password)
})
