import { createHash, randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { userRegister } from '@pair/shared-topics'
import { expect, onTestFinished, test } from 'vitest'
import { Wire } from './chaos/src/wire.js'
import { brokers, expectOneEffectEach, memoryOf, onBroker, prefix, put, startProfile, useBroker } from './fixtures/harness.js'
import { badEvent, goodEvent, type Record } from './fuzz/events.js'
import { count, randomOf, settings } from './fuzz/seed.js'

/** So many are under way at once: the embedded broker keeps 5 MB a partition, and forgets the oldest of what exceeds that. */
const atOnce = 4000
const silentAfterMs = 60_000
/** One good event in so many. */
const goodEvery = 50

useBroker()

const hash = (...parts: Array<Buffer | string | null | undefined>) =>
  parts.map(part => part === null || part === undefined ? 'null' : createHash('sha1').update(part).digest('base64')).join()

test(`${count} events that cannot be processed are dead-lettered with their bytes, and the good ones between them become profiles (${settings})`, { timeout: 600_000 + count * 30 }, async () => {
  const { profile, client } = await startProfile()
  const domain = `${randomUUID()}.example.com`
  const [expected, read, texts, ids] = [new Map<string, string>(), new Map<string, string>(), new Map<string, string>(), [] as string[]]
  const wire = new Wire({ 'metadata.broker.list': brokers }, prefix)
  await wire.open()
  onTestFinished(() => wire.close())
  wire.onLetter = (place, { key, value }) => read.set(place, hash(key as Buffer | null, value))

  const started = performance.now()
  for (let next = 0; next < count;) {
    const group: Array<Record & { topic: string, id?: string }> = []
    for (const until = Math.min(count, next + atOnce); next < until; next++) {
      const random = randomOf(next)
      if (next % goodEvery === 0) group.push({ ...goodEvent(random, domain), topic: onBroker(userRegister.name) })
      group.push({ ...badEvent(random, domain), topic: onBroker(userRegister.name) })
    }
    const places = await put(...group)
    for (const [index, { id, key, value }] of group.entries()) {
      const place = `${places[index]?.partition}@${places[index]?.offset}`
      texts.set(place, String(value).slice(0, 400))
      if (id) ids.push(id)
      else expected.set(place, hash(key, value))
    }
    for (let [seen, since] = [read.size, performance.now()]; read.size < expected.size && performance.now() - since < silentAfterMs; await delay(10)) {
      await wire.readLetters()
      if (read.size > seen) [seen, since] = [read.size, performance.now()]
    }
  }
  const tookMs = performance.now() - started
  const memory = memoryOf(profile)
  console.log(`${settings}: ${(count / tookMs * 1000).toFixed()} dead letters/s, ${memory.toFixed()} MB, ${ids.length} good events between them`)

  const lost = [...expected.keys()].filter(place => !read.has(place))
  const changed = [...expected.keys()].filter(place => read.has(place) && read.get(place) !== expected.get(place))
  const good = [...read.keys()].filter(place => !expected.has(place))
  const some = (places: string[]) => places.slice(0, 20).map(place => `${place}: ${texts.get(place)}`).join('\n')
  expect(lost.length, `not dead-lettered:\n${some(lost)}`).toBe(0)
  expect(changed.length, `dead-lettered with other bytes:\n${some(changed)}`).toBe(0)
  expect(good.length, `good, and dead-lettered:\n${some(good)}`).toBe(0)
  await expectOneEffectEach(client, ids)
  expect(memory).toBeLessThan(500)
  const { rows } = await client.query('select user_id from profiles where email like $1', [`%@${domain}`])
  expect(rows.length).toBe(ids.length)
  expect(profile.lines.filter(({ level }) => Number(level) >= 50)).toEqual([])
  expect(profile.errors).toEqual([])
  profile.kill('SIGTERM')
  expect(await profile.ended).toBe(0)
})
