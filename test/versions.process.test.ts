import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { eventually, profileOf } from './fixtures/services.js'
import { newEvent, put, startProfile, useBroker } from './fixtures/harness.js'

useBroker()

test('a service that runs takes an event of 1.1, dead-letters one of 2 naming the version, and goes on with 1', async () => {
  const { profile } = await startProfile()
  const key = randomUUID()
  const [minor, major, last] = [newEvent(), newEvent(), newEvent()]
  await put({ key, value: { ...minor, dataschema: 'urn:user_register:1.1', data: { ...minor.data, locale: 'de-AT' } } })
  const [place] = await put({ key, value: { ...major, dataschema: 'urn:user_register:2', data: { id: major.data.id, email: major.data.email, name: 'imbatman' } } })
  await put({ key, value: last })

  for (const { data } of [minor, last]) expect(await profileOf(profile, data.id)).toMatchObject({ email: data.email, username: data.username })
  await eventually(() => expect(profile.lines).toContainEqual(expect.objectContaining({
    ...place, msg: 'message dead-lettered', reason: 'not-valid', why: expect.stringContaining('event/dataschema must match pattern "^urn:user_register:1(')
  })))
  expect((await fetch(`${profile.url}/profile/${major.data.id}`)).status).toBe(404)
})
