import { randomUUID } from 'node:crypto'
import { userRegister } from '@pair/shared-topics'
import { expect, test } from 'vitest'
import { brokers, newEvent, onBroker, openDatabase, start, useBroker } from './fixtures/harness.js'
import { makeOldDatabase } from './fixtures/old-database.js'
import { read } from './fixtures/records.js'
import { eventually, registered } from './fixtures/services.js'

useBroker()

test('events that the first version left in its outbox are sent after the migration, in their order', async () => {
  const { url, client } = await openDatabase()
  await makeOldDatabase(client, 'user', ['0000_users_and_outbox'])
  const subject = randomUUID()
  const left = [newEvent(subject), newEvent(subject), newEvent(subject)]
  for (const [second, event] of left.entries()) {
    await client.query(`insert into outbox (id, aggregatetype, aggregateid, type, payload, traceparent, created_at)
      values ($1, 'user', $2, $3, $4, null, now() - $5 * interval '1 second')`, [event.id, subject, userRegister.name, JSON.stringify(event), 60 - second])
  }
  const user = await start('user', url)
  const { body } = await registered(user)
  await eventually(async () => expect((await client.query('select from outbox')).rowCount).toBe(0))
  const records = await read(onBroker(userRegister.name), 4, { brokers, from: [0, 1, 2, 3].map(partition => ({ partition })) })
  const sent = records.map(({ value }) => JSON.parse(String(value)) as { id: string, subject: string })
  expect(sent.filter(event => event.subject === subject).map(({ id }) => id)).toEqual(left.map(({ id }) => id))
  expect(sent.map(event => event.subject)).toContain(body.user.id)
})
