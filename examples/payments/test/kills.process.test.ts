import { expect, test } from 'vitest'
import { kill, useBroker } from '../../../test/fixtures/harness.js'
import { eventually, type Service } from '../../../test/fixtures/services.js'
import { expectAllProcessed, expectChargedOnce, expectNoDeadLetter, found, newOrder, newSystem, pay, signUp, statusOf, tally, times } from './payments-system.js'

// Payments is killed in the middle of its work. PAYMENTS_KILLS and PAYMENTS_COUNT make the test longer.

useBroker()

const kills = Number(process.env['PAYMENTS_KILLS'] ?? 5)
const count = Number(process.env['PAYMENTS_COUNT'] ?? 100)

test(`payments is killed (-9) ${kills} times under ${count} payments: each is processed and charged once, none is declined or dead-lettered`, async () => {
  const system = await newSystem()
  let { gateway, payments } = await system.runAll() as { gateway: Service, payments: Service }
  const [store, provider] = [await system.database('payments'), await system.database('provider')]
  const userId = await signUp(gateway)
  await found(gateway, `/api/users/${userId}`, { status: 200 })
  const charged = async () => (await provider.query('select from charges')).rowCount ?? 0

  const inRound = Math.ceil(count / (kills + 1))
  let paid = 0
  for (let round = 0; round <= kills; round++) {
    const before = await charged()
    const paying = times(Math.min(inRound, count - paid), 10, async () => { paid++; return await pay(gateway, newOrder(userId)) })
    // While it charges this round's payments, some of which are charged and not stored.
    if (paid < count || round < kills) await eventually(async () => expect(await charged()).toBeGreaterThan(before))
    if (round < kills) {
      await kill(payments)
      payments = await system.run('payments')
    }
    await paying
  }
  expect(paid).toBe(count)
  await expectAllProcessed(store, count, 120_000 + 100 * count)
  await expectChargedOnce(provider, store)
  await expectNoDeadLetter(system)
})

test('a payment whose charge could not be stored before a crash is charged once, by the next instance', async () => {
  const system = await newSystem()
  const { gateway, payments } = await system.runAll()
  const [store, provider] = [await system.database('payments'), await system.database('provider')]
  const userId = await signUp(gateway)
  await statusOf(gateway, await pay(gateway, newOrder(userId)), 'processed')

  // Nothing can be stored as processed, so the process dies between the charge and its row.
  await store.query("create function refuse () returns trigger language plpgsql as $$ begin raise 'not now'; end $$")
  await store.query("create trigger refuse before update on payments for each row when (new.status = 'processed') execute function refuse()")
  await pay(gateway, newOrder(userId))
  await eventually(async () => expect((await provider.query('select from charges')).rowCount).toBe(2))
  await kill(payments)
  await store.query('drop trigger refuse on payments')
  expect(await tally(store)).toEqual([{ status: 'pending', reason: null, count: 1 }, { status: 'processed', reason: null, count: 1 }])

  await system.run('payments')
  await expectAllProcessed(store, 2)
  await expectChargedOnce(provider, store)
})
