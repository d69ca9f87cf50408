import { kafkaName } from '@pair/events'
import { expect, onTestFinished, test } from 'vitest'
import { brokers, cannotPause, isEmbedded, kill, pauseBroker, prefix, resumeBroker, useBroker } from './fixtures/harness.js'
import { noRealKafka, realKafka } from './fixtures/real-kafka.js'
import { checks, eventually, isConsuming, metricsOf, startService, type Service } from './fixtures/services.js'

useBroker({ isTakenAway: true })

async function start (name: 'shop' | 'warehouse'): Promise<Service> {
  const service = await startService(name, { KAFKA_BROKERS: brokers, KAFKA_PREFIX: prefix })
  onTestFinished(() => kill(service))
  return service
}

const startShop = async () => {
  const shop = await start('shop')
  await eventually(async () => expect(await checks(shop)).toMatchObject({ status: 200, kafka: 'up' }))
  return shop
}

const startWarehouse = async () => {
  const warehouse = await start('warehouse')
  await eventually(() => isConsuming(warehouse))
  return warehouse
}

async function get ({ url }: Service, path: string) {
  const response = await fetch(url + path)
  return { status: response.status, body: await response.json() as { cents?: number, right?: number, answeredBy?: number[], errors?: string[] } }
}

/** A price, once requests are answered again. */
const priced = (shop: Service, productId: string) => eventually(async () => expect(await get(shop, `/price/${productId}?timeoutMs=2000`)).toMatchObject({ status: 200, body: { cents: Number(productId) } }))
const pendingOf = async (shop: Service) => (await metricsOf(shop))[`asks_pending{messaging_destination_name="${kafkaName(prefix, 'price_request')}"}`]
const count = async (service: Service, name: string, label: string) =>
  Object.entries(await metricsOf(service)).find(([series]) => series.startsWith(`${name}{`) && series.includes(label))?.[1]

test('two services ask 2,000 times at once, two answer, and one of each dies meanwhile: whoever lives gets its own replies', async () => {
  const warehouses = [await startWarehouse(), await startWarehouse()]
  const [shop, dying] = await Promise.all([startShop(), startShop()])
  await eventually(async () => expect((await get(shop, '/many/200')).body).toMatchObject({ right: 200, answeredBy: expect.objectContaining({ length: 2 }) }))

  const asked = Promise.all([get(shop, '/many/2000?timeoutMs=60000'), get(dying, '/many/2000?timeoutMs=60000').catch(() => 'died')])
  await eventually(async () => expect(await pendingOf(shop)).toBeGreaterThan(0))
  await Promise.all([kill(dying), kill(warehouses[0] as Service)])
  expect(await asked).toEqual([{ status: 200, body: expect.objectContaining({ right: 2000, errors: [] }) }, 'died'])
  expect(await pendingOf(shop)).toBe(0)
  expect(await count(shop, 'replies_dropped_total', 'reason="unreadable"')).toBe(0)

  // One that comes in its place hears nothing of what the dead one has asked.
  const next = await startShop()
  await priced(next, '7')
  expect(await count(next, 'replies_dropped_total', 'reason="late"')).toBe(0)
})

test('while nobody answers each ask ends with a 504 in time and leaves nothing behind; who answers later answers what is still waited for', async () => {
  const shop = await startShop()
  const started = performance.now()
  expect(await get(shop, '/many/2000?timeoutMs=1000')).toMatchObject({ status: 200, body: { right: 0, errors: ['ERR_ASK_TIMEOUT'] } })
  expect(performance.now() - started).toBeLessThan(30_000)
  // A slow machine that has just ended 2,000 asks at once answers 503 (overloaded) first.
  await eventually(async () => expect(await get(shop, '/price/1?timeoutMs=100')).toMatchObject({ status: 504, body: { type: 'urn:problem:timeout-upstream' } }))
  expect(await pendingOf(shop)).toBe(0)

  const patient = get(shop, '/price/8123456789012?timeoutMs=90000')
  const warehouse = await startWarehouse()
  expect(await patient).toMatchObject({ status: 200, body: { cents: 8123456789012 } })
  expect(await pendingOf(shop)).toBe(0)
  expect(JSON.stringify([shop.lines, warehouse.lines])).not.toMatch(/8123456789012|answeredBy/)
})

test('on SIGTERM a request that waits for a reply is answered, one that waits for too long gets a 503, and the service ends with 0', async () => {
  await startWarehouse()
  const [shop, other] = await Promise.all([startShop(), startShop()])
  await Promise.all([priced(shop, '1'), priced(other, '1')])
  const asked = get(shop, '/price/3-after-1000?timeoutMs=60000')
  const askedInVain = get(other, '/price/4-after-100000?timeoutMs=60000')
  for (const service of [shop, other]) await eventually(async () => expect(await pendingOf(service)).toBe(1))
  for (const service of [shop, other]) service.kill('SIGTERM')
  expect(await asked).toMatchObject({ status: 200, body: { cents: 3 } })
  expect(await askedInVain).toMatchObject({ status: 503 })
  expect(await Promise.all([shop.ended, other.ended])).toEqual([0, 0])
})

test('an answer that is being made when its service is told to end is sent before it ends', async () => {
  const warehouse = await startWarehouse()
  const shop = await startShop()
  await priced(shop, '1')
  const asked = get(shop, '/price/5-after-SIGTERM?timeoutMs=60000')
  await eventually(() => expect(warehouse.lines).toContainEqual(expect.objectContaining({ msg: 'looking for the price', after: 'SIGTERM' })))
  warehouse.kill('SIGTERM')
  expect(await asked).toMatchObject({ status: 200, body: { cents: 5 } })
  expect(await warehouse.ended).toBe(0)
})

test.skipIf(cannotPause)('with a broker that does not answer asks end in time, and are answered again when it does', async () => {
  await startWarehouse()
  const shop = await startShop()
  await priced(shop, '1')
  await pauseBroker()
  expect(await get(shop, '/price/2?timeoutMs=500')).toMatchObject({ status: 504 })
  const patient = get(shop, '/price/3?timeoutMs=60000')
  await resumeBroker()
  expect(await patient).toMatchObject({ status: 200, body: { cents: 3 } })
  await priced(shop, '4')
  expect(await pendingOf(shop)).toBe(0)
})

test.skipIf(cannotPause)('with a broker that does not answer who asks and who answers end with 0 on SIGTERM', async () => {
  const warehouse = await startWarehouse()
  const shop = await startShop()
  await priced(shop, '1')
  await pauseBroker()
  const asked = get(shop, '/price/2?timeoutMs=60000')
  await eventually(async () => expect(await pendingOf(shop)).toBe(1))
  for (const service of [shop, warehouse]) service.kill('SIGTERM')
  expect(await asked).toMatchObject({ status: 503 })
  expect(await Promise.all([shop.ended, warehouse.ended])).toEqual([0, 0])
})

test.skipIf(isEmbedded || noRealKafka)('a broker that is killed and comes back is asked through again', async () => {
  await startWarehouse()
  const shop = await startShop()
  await priced(shop, '1')
  await realKafka('kill')
  expect(await get(shop, '/price/2?timeoutMs=500')).toMatchObject({ status: 504 })
  await eventually(async () => expect(await checks(shop)).toMatchObject({ status: 200, kafka: 'away' }))
  await realKafka('start')
  await priced(shop, '3')
  expect(await get(shop, '/many/500')).toMatchObject({ body: { right: 500, errors: [] } })
  expect(await pendingOf(shop)).toBe(0)
})
