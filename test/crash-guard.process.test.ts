import { deadLetterTopic } from '@pair/events'
import { userRegister } from '@pair/shared-topics'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { provisionTopics } from '@pair/kafka'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { brokers, isEmbedded, kill, newEvent, onBroker, openDatabase, put, said, start, useBroker, watchLetters } from './fixtures/harness.js'
import { read } from './fixtures/records.js'
import { eventually, type Service } from './fixtures/services.js'

// Messages that kill their process, and processes that are killed, under a supervisor that starts them again.

type UserEvent = ReturnType<typeof newEvent>
const events = (count: number, username: string) => Array.from({ length: count }, () => {
  const event = newEvent()
  return { ...event, data: { ...event.data, username } }
})

useBroker()

// Made before anything is put on it: a broker may create none by itself.
beforeAll(async () => {
  if (!isEmbedded) await provisionTopics({ 'metadata.broker.list': brokers }, [{ ...userRegister, name: onBroker(userRegister.name) }])
})

/** Starts the service again whenever it has ended, until the test has ended. */
function supervise (url: string) {
  const starts: Service[] = []
  const end = new AbortController()
  let current: Promise<Service> | undefined
  const loop = async () => {
    while (!end.signal.aborted) {
      current = start('handling', url)
      const service = await current.catch(() => undefined) // it may die before it listens
      if (service === undefined) continue
      starts.push(service)
      await service.ended
    }
  }
  const looping = loop()
  onTestFinished(async () => {
    end.abort()
    const service = await current?.catch(() => undefined)
    if (service) await kill(service)
    await looping
  })
  return starts
}

async function expectOneEffectEach (client: pg.Client, expected: UserEvent[], timeout?: number): Promise<void> {
  const ids = expected.map(({ id }) => id).sort()
  await eventually(async () => {
    const { rows } = await client.query<{ event: string }>('select distinct event from effects where event = any($1) order by event', [ids])
    expect(rows.map(({ event }) => event)).toEqual(ids)
  }, timeout)
  expect((await client.query('select event from effects group by event having count(*) > 1')).rows).toEqual([])
}

async function reasons (count: number) {
  const letters = await read(deadLetterTopic(onBroker(userRegister.name)), count, { brokers, from: [0, 1, 2, 3].map(partition => ({ partition })) })
  return letters.map(({ headers }) => String(Object.assign({}, ...headers as object[])['dlq.reason']))
}

test('a message that kills its process at the head of its partition is dead-lettered as crashed after six starts at most; what is behind it is processed, once', async () => {
  const { url, client } = await openDatabase()
  const lettersSince = await watchLetters()
  const [killer] = events(1, 'abort')
  const [behind, beside] = [events(20, 'plain'), events(20, 'plain')]
  const [head] = await put({ value: killer, partition: 0 }, ...behind.map(value => ({ value, partition: 0 })), ...beside.map(value => ({ value, partition: 1 })))
  const starts = supervise(url)
  const position = `0@${head?.offset}`
  await eventually(async () => expect(await lettersSince()).toEqual(new Map([[position, 1]])))
  await expectOneEffectEach(client, [...behind, ...beside])
  expect(starts.length).toBeLessThanOrEqual(6)
  expect(await reasons(1)).toEqual(['crashed'])
  expect(await lettersSince()).toEqual(new Map([[position, 1]]))
})

test('four messages that kill their process, in three partitions and two of them next to each other, are dead-lettered as crashed, once each, and nothing else is', async () => {
  const { url, client } = await openDatabase()
  const lettersSince = await watchLetters()
  const killers = events(4, 'abort')
  const others = events(60, 'plain')
  const values = [...killers.slice(0, 3), others[0], killers[3], ...others.slice(1)]
  const places = await put(...values.map((value, index) => ({ value, partition: index % 4 })))
  supervise(url)
  await expectOneEffectEach(client, others, 300_000)
  const expected = killers.map(killer => places[values.indexOf(killer)]).map(place => [`${place?.partition}@${place?.offset}`, 1] as const)
  await eventually(async () => expect(await lettersSince()).toEqual(new Map(expected)), 300_000)
})

/** In full: KILLS=200, which takes half an hour. */
const kills = Number(process.env.KILLS ?? 10)

test(`a service that is killed ${kills} times from outside, while some of its handlers wait for a dependency that is down and others are done with, dead-letters nothing`, { timeout: 60_000 * (10 + kills) }, async () => {
  const { url, client } = await openDatabase()
  const lettersSince = await watchLetters()
  const first = await start('handling', url)
  await eventually(async () => expect((await client.query('update dependency set is_up = false')).rowCount).toBe(1))
  await kill(first)

  const waiting = [...events(4, 'hangs'), ...events(4, 'fails')]
  await put(...waiting.map((value, index) => ({ value, partition: index % 4 })))
  const done: UserEvent[] = []
  const stepped: number[] = []
  for (let count = 0; count < kills; count++) {
    const service = await start('handling', url)
    const more = events(5, 'plain')
    done.push(...more)
    await put(...more.map((value, index) => ({ value, partition: index % 4 })))
    await eventually(() => expect(service.lines.some(({ msg, added }) => msg === 'kafka: partitions assigned' && Array.isArray(added) && added.length > 0)).toBe(true))
    await delay(Math.random() ** 2 * 2000)
    await kill(service)
    stepped.push(said([service], 'crash guard: no progress over three assignments, or a crash; this partition is processed one message at a time'))
  }
  expect(stepped.slice(4).some(Boolean)).toBe(true) // else nothing was tried
  await client.query('update dependency set is_up = true')
  await start('handling', url)
  await expectOneEffectEach(client, [...waiting, ...done])
  expect(await lettersSince()).toEqual(new Map())
})
