import { randomUUID } from 'node:crypto'
import { userRegister } from '@pair/shared-topics'
import { expect, test } from 'vitest'
import { dlq } from '../packages/dlq/test/cli.js'
import { brokers, expectOneEffectEach, newEvent, onBroker, prefix, put, startProfile, useBroker } from './fixtures/harness.js'
import { eventually, profileOf } from './fixtures/services.js'

useBroker()

/** The dead letters of these keys; on a broker that was given there are others beside them. */
async function lettersOf (...keys: string[]) {
  const { code, json } = await dlq(['list', '--json'], { brokers, prefix })
  expect(code).toBe(0)
  return json.filter(({ key }) => keys.includes((key as { text?: string } | null)?.text ?? '')) as Array<{ letter: string, state: string, reason: string, attempts: number }>
}

test('events that failed because of a mistake become profiles when it is mended and they are replayed, once each', async () => {
  const { client, profile } = await startProfile()
  await client.query(`create function mistake() returns trigger language plpgsql as $$ begin raise 'a mistake'; end $$;
    create trigger mistake before insert on profiles execute function mistake()`)
  const events = [newEvent(), newEvent()]
  const ids = events.map(({ data }) => data.id)
  for (const event of events) await put({ key: event.subject, value: event })
  const letters = await eventually(async () => {
    const found = await lettersOf(...ids)
    expect(found).toHaveLength(2)
    return found
  })
  expect(letters).toEqual(ids.map(() => expect.objectContaining({ state: 'new', reason: 'failed', attempts: 5 })))

  await client.query('drop trigger mistake on profiles')
  const places = letters.map(({ letter }) => letter)
  for (let round = 0; round < 2; round++) expect(await dlq(['replay', ...places], { brokers, prefix })).toMatchObject({ code: 0 })
  for (const { data } of events) expect(await profileOf(profile, data.id)).toMatchObject({ email: data.email, username: data.username })
  await eventually(() => expect(profile.lines.filter(({ msg }) => msg === 'event seen before, nothing to do').length).toBeGreaterThanOrEqual(2))
  await expectOneEffectEach(client, ids)
  expect((await lettersOf(...ids)).map(({ state }) => state)).toEqual(['replayed', 'replayed'])
})

test('rubbish is listed and shown, and replayed it comes back as a new letter of a new origin', async () => {
  await startProfile()
  const key = randomUUID()
  await put({ key, value: Buffer.from([0, 255, 7]) })
  const letter = await eventually(async () => {
    const [found] = await lettersOf(key)
    expect(found).toMatchObject({ state: 'new', reason: 'not-decodable', attempts: 0, error: 'the value is not UTF-8', origin: { topic: onBroker(userRegister.name) } })
    return found?.letter ?? ''
  })
  expect(await dlq(['show', letter], { brokers, prefix })).toMatchObject({ code: 0, out: expect.stringContaining('  00000000  00 ff 07 ') })
  expect(await dlq(['replay', letter], { brokers, prefix })).toMatchObject({ code: 0, err: '1 dead letter replayed, 0 failed\n' })
  await eventually(async () => expect((await lettersOf(key)).map(({ state }) => state).sort()).toEqual(['new', 'replayed']))
})

test('events that an operator has discarded stay without an effect when the other letters are replayed, until somebody replays them', async () => {
  const { client, profile } = await startProfile()
  await client.query(`create function mistake() returns trigger language plpgsql as $$ begin raise 'a mistake'; end $$;
    create trigger mistake before insert on profiles execute function mistake()`)
  const [kept, discarded] = [newEvent(), newEvent()]
  for (const event of [kept, discarded]) await put({ key: event.subject, value: event })
  const key = discarded.data.id
  await eventually(async () => expect(await lettersOf(kept.data.id, key)).toHaveLength(2))
  await client.query('drop trigger mistake on profiles')

  expect(await dlq(['discard', '--all', '--key', key, '--reason', 'failed', '--why', 'registered again', '--by', 'anna'], { brokers, prefix })).toMatchObject({ code: 0, err: '1 dead letter discarded, 0 failed\n' })
  expect(await dlq(['replay', '--all', '--key', kept.data.id, '--key', key, '--error', 'MISTAKE'], { brokers, prefix })).toMatchObject({ code: 0, err: '1 dead letter replayed, 0 failed, 1 discarded before\n' })
  expect(await profileOf(profile, kept.data.id)).toMatchObject({ email: kept.data.email })
  await expectOneEffectEach(client, [kept.data.id])
  expect(await lettersOf(key)).toEqual([expect.objectContaining({ state: 'discarded', discarded: expect.objectContaining({ by: 'anna', why: 'registered again' }) })])

  const [letter] = await lettersOf(key)
  expect(await dlq(['replay', letter?.letter ?? ''], { brokers, prefix })).toMatchObject({ code: 0, out: expect.stringContaining(', discarded before\n') })
  expect(await profileOf(profile, key)).toMatchObject({ email: discarded.data.email })
})
