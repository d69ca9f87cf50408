import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { checks, eventually, profileOf, throughout } from './fixtures/services.js'
import { isEmbedded, memoryOf, newEvent, put, said, startProfile, useBroker } from './fixtures/harness.js'

// What there is too much of at once: bytes, or events of one key.

useBroker()

const partitions = [0, 1, 2, 3]

test('with the database standing still, events of 900 kB leave the profile service below 300 MB and in its group, and it goes on', async () => {
  const { profile, proxy, client } = await startProfile()
  proxy.set('frozen')
  const ids: string[] = []
  // The embedded broker keeps no more than 5 MB a partition.
  for (let round = 0; round < (isEmbedded ? 5 : 40); round++) {
    const events = partitions.map(partition => ({ partition, event: newEvent() }))
    await put(...events.map(({ partition, event }) => ({ partition, value: { ...event, data: { ...event.data, note: 'x'.repeat(900_000) } } })))
    ids.push(...events.map(({ event }) => event.data.id))
  }
  await throughout(6000, async () => expect(memoryOf(profile)).toBeLessThan(300))
  expect(await checks(profile)).toMatchObject({ database: 'away', kafka: 'up' })
  expect(said([profile], 'kafka: no member of the group any more')).toBe(0)
  proxy.set('open')
  await eventually(async () => {
    expect(memoryOf(profile)).toBeLessThan(300)
    expect((await client.query('select 1 from profiles where user_id = any($1)', [ids])).rowCount).toBe(ids.length)
  }, 600_000)
})

test('thousands of events of one user hold up nobody whose events are in another partition', async () => {
  const { profile, client } = await startProfile()
  const [id, count] = [randomUUID(), isEmbedded ? 8000 : 30_000]
  for (let written = 0; written < count; written += 1000) {
    await put(...Array.from({ length: 1000 }, () => ({ partition: 0, key: id, value: newEvent(id) })))
  }
  await profileOf(profile, id)
  for (const partition of [1, 2, 3]) {
    const event = newEvent()
    await put({ partition, value: event })
    await profileOf(profile, event.data.id, 2000)
  }
  expect((await client.query('select 1 from inbox')).rowCount).toBeLessThan(count) // it is still busy
})
