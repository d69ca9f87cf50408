import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { keepReading } from './fixtures/readers.js'
import { checks, profileOf, registered, type Service } from './fixtures/services.js'
import { said, startPair, useBroker } from './fixtures/harness.js'

useBroker()

/**
 * Reads over 1,500 connections for that long, and expects the service to be ready whenever it is asked. Not where the machine
 * has so much else to do that it hardly gets to asking: there the database may really not answer in time.
 */
async function readFrom (service: Service, path: string, forMs: number) {
  const away = () => said([service], 'the database: away, trying again')
  const before = away() // on a busy machine its start may have waited for a connection
  const reading = keepReading(`${service.url}${path}`, 1500)
  onTestFinished(() => reading.stop())
  const seen: string[] = []
  for (const until = performance.now() + forMs; performance.now() < until; await delay(100)) {
    const { status, database } = await checks(service)
    seen.push(`${status} ${database}`)
  }
  const isStarved = seen.length < forMs / 250
  if (!isStarved) expect(new Set(seen)).toEqual(new Set(['200 up']))
  reading.stop()
  // Whoever was refused was told that there is too much to do.
  if (!isStarved && reading.answers['503'] !== undefined) expect(reading.lastRefusal).toMatch(/retry-after: 1\r\n[^]*urn:problem:overloaded/)
  if (!isStarved) expect(away()).toBe(before)
}

test('however many read, a service stays ready and goes on with its own work, and who is refused is told of overload', async () => {
  const { user, profile, client } = await startPair()
  const { id } = (await registered(user)).body.user
  await profileOf(profile, id)

  let profileAfterMs = Infinity
  const effect = async () => {
    await delay(500)
    const started = performance.now()
    const { body } = await registered(user)
    while ((await client.query('select from profiles where user_id = $1', [body.user.id])).rowCount === 0) await delay(20)
    profileAfterMs = performance.now() - started
  }
  const since = performance.now()
  const reading = readFrom(profile, `/profile/${id}`, 4000).then(() => performance.now() - since)
  const [readingMs] = await Promise.all([reading, effect()])
  expect(profileAfterMs).toBeLessThan(Math.max(8000, readingMs)) // on a busy machine at least not after the readers
  await readFrom(user, `/user/${id}`, 3000)
})
