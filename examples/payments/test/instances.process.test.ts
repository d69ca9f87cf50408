import { getPayment, processPayment } from '@pair/payments-shared-topics'
import { expect, onTestFinished, test } from 'vitest'
import { kill, useBroker } from '../../../test/fixtures/harness.js'
import { eventually, type Service } from '../../../test/fixtures/services.js'
import { call, expectChargedOnce, expectNoDeadLetter, found, metric, newOrder, newSystem, pay, signUp, statusOf, tally, unlessBusy } from './payments-system.js'

// Several instances of payments and two gateways, under load.

useBroker()

/** Pays and asks for each payment until it is stopped. @returns the payments, and every status of an answer to a question */
function load (gateway: Service, userId: string) {
  const ids: string[] = []
  const statuses = new Map<number, number>()
  const end = new AbortController()
  const lane = async () => {
    while (!end.signal.aborted) {
      const id = await pay(gateway, newOrder(userId))
      ids.push(id)
      // 404 until payments has stored it.
      for (let answer; !end.signal.aborted && answer?.body['status'] !== 'processed';) {
        answer = await unlessBusy(async () => await call(gateway, `/api/payments/${id}`))
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
      }
    }
  }
  const lanes = [lane(), lane()]
  async function stop () {
    end.abort()
    await Promise.all(lanes)
  }
  onTestFinished(stop) // before the services end
  return { ids, statuses, stop }
}

/** Waits until these instances share all partitions of both topics, so that no rebalance is under way. */
async function share (instances: Service[]) {
  await eventually(() => {
    const held = instances.map(({ lines }) => Number(lines.findLast(({ msg }) => String(msg).startsWith('kafka: partitions'))?.['held']))
    expect(held.reduce((sum, count) => sum + count)).toBe(processPayment.partitions + getPayment.partitions)
    for (const count of held) expect(count).toBeGreaterThan(0)
  })
}

/** Two gateways and an instance of payments, under load. */
async function startLoaded () {
  const system = await newSystem()
  const { gateway, payments } = await system.runAll()
  const gateways = [gateway, await system.run('api-gateway')]
  const userId = await signUp(gateway)
  await found(gateway, `/api/users/${userId}`, { status: 200 })
  for (const each of gateways) await statusOf(each, await pay(each, newOrder(userId)), 'processed')
  const loads = gateways.map(each => load(each, userId))
  const more = async () => {
    const before = loads.map(({ ids }) => ids.length)
    await eventually(() => loads.forEach(({ ids }, index) => expect(ids.length).toBeGreaterThan(Number(before[index]) + 20)))
  }
  /** Two further instances, one after the other: the embedded broker starts a rebalance anew for each member that comes meanwhile. */
  const grow = async (): Promise<[Service, Service]> => {
    const second = await system.run('payments')
    await share([payments, second])
    await more()
    const third = await system.run('payments')
    await share([payments, second, third])
    await more()
    return [second, third]
  }
  /** Ends the load; each payment was processed and charged once. */
  const settle = async () => {
    await Promise.all(loads.map(async ({ stop }) => await stop()))
    const [store, provider] = [await system.database('payments'), await system.database('provider')]
    await eventually(async () => expect((await tally(store)).map(({ status }) => status)).toEqual(['processed']))
    expect((await tally(store))[0]?.count).toBe(2 + loads.reduce((sum, { ids }) => sum + ids.length, 0))
    await expectChargedOnce(provider, store)
  }
  return { system, gateways, payments, loads, more, grow, settle }
}

test('payments goes from one instance to three and back to one under load of two gateways: no question times out, and each payment is charged once', async () => {
  const { system, gateways, payments, loads, more, grow, settle } = await startLoaded()
  await more()
  const others = await grow()
  for (const other of others) {
    expect(await metric(other, 'requests_answered_total', 'get_payment', 'outcome="answered"')).toBeGreaterThan(0)
    expect(await metric(other, 'asks_total', 'get_user', 'outcome="timeout"')).toBe(0)
    other.kill('SIGTERM')
    expect(await other.ended).toBe(0)
    await share([payments, ...others.slice(others.indexOf(other) + 1)])
    await more()
  }
  await settle()
  for (const [index, gateway] of gateways.entries()) {
    const statuses = loads[index]?.statuses
    expect([...statuses?.keys() ?? []].filter(status => ![200, 404].includes(status)), JSON.stringify([...statuses ?? []])).toEqual([])
    // None of these was behind a 503, so that each of those was a machine too busy to ask.
    for (const outcome of ['timeout', 'not-sent', 'overload']) expect(await metric(gateway, 'asks_total', 'get_payment', `outcome="${outcome}"`), outcome).toBe(0)
  }
  await expectNoDeadLetter(system)
  expect(await metric(payments, 'asks_total', 'get_user', 'outcome="timeout"')).toBe(0)
})

test('of three instances of payments one is killed (-9) under load: only its questions time out, and each payment is charged once', async () => {
  const { gateways, loads, more, grow, settle } = await startLoaded()
  const [victim] = await grow()
  const timeouts = async () => (await Promise.all(gateways.map(async gateway => await metric(gateway, 'asks_total', 'get_payment', 'outcome="timeout"')))).reduce((sum, count) => sum + count)
  expect(await timeouts()).toBe(0)
  await kill(victim)
  await more()
  await more()
  const afterRebalance = await timeouts()
  await more()
  expect(await timeouts()).toBe(afterRebalance)
  // Four lanes ask one question at a time; each waits once, at most, for what the killed instance had.
  expect(afterRebalance).toBeLessThanOrEqual(loads.length * 2 * 2)
  await settle()
})
