import { userRegister } from '@pair/shared-topics'
import { expect, test } from 'vitest'
import { newEvent, onBroker, openDatabase, put, start, useBroker } from './fixtures/harness.js'
import { checks, eventually, isConsuming, up } from './fixtures/services.js'

useBroker()

test('a service whose handler waits for what it depends on is not consuming after 10 s, with the reason, and is ready; it consumes again when that is back', async () => {
  const { url, client } = await openDatabase()
  const service = await start('handling', url)
  await eventually(() => isConsuming(service))
  await client.query('update dependency set is_up = false')
  const event = newEvent()
  await put({ value: { ...event, data: { ...event.data, username: 'fails' } } })

  const away = await eventually(() => {
    const line = service.lines.find(({ msg }) => msg === 'what the handler depends on: away, trying again')
    expect(line).toBeDefined()
    return line as { time: number }
  })
  const waiting = { status: 503, database: 'up', kafka: `waiting for what the handler of ${onBroker(userRegister.name)} depends on` }
  await eventually(async () => expect(await checks(service, 'consuming')).toEqual(waiting))
  expect(Date.now() - away.time).toBeGreaterThan(9900) // the line comes after the failure, by a moment
  expect(await checks(service)).toMatchObject({ status: 200 })

  await client.query('update dependency set is_up = true')
  await eventually(async () => expect(await checks(service, 'consuming')).toEqual(up))
  expect((await client.query('select event from effects')).rows).toEqual([{ event: event.id }])
})
