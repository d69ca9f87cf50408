import { expect, test } from 'vitest'
import { commitAsGroup } from './fixtures/admin.js'
import { kill, onBroker, prefix, brokers, said, start, startPair, useBroker } from './fixtures/harness.js'
import { blocksOf, readText } from './fixtures/pages.js'
import { eventually, profileOf, registered } from './fixtures/services.js'

// docs/operations.md, "Rebuild a table from the topic": its statements as they stand there, and Kafka's tool done by hand.

const statements = blocksOf(readText('docs/operations.md')).find(({ language, heading }) => language === 'sql' && heading === 'Rebuild a table from the topic')?.text ?? ''

useBroker()

test.each([
  ['with the statements of the page every profile is made anew from the topic', statements, 5],
  ['without its line about the inbox no profile comes back, because its events are known', statements.replace(/^delete from inbox.*$/m, ''), 0]
])('%s', async (_name, sql, expected) => {
  expect(sql).toContain('truncate profiles')
  const { user, profile, url, client } = await startPair()
  const ids: string[] = []
  for (let count = 0; count < 5; count++) ids.push((await registered(user)).body.user.id)
  for (const id of ids) await profileOf(profile, id)
  await kill(profile)
  await client.query(sql.replace("'user_register'", `'${onBroker('user_register')}'`))
  expect((await client.query('select from profiles')).rowCount).toBe(0)
  await commitAsGroup(brokers, 0, prefix)

  const again = await start('profile', url)
  await eventually(() => expect(said([again], expected > 0 ? 'profile created' : 'event seen before, nothing to do')).toBeGreaterThanOrEqual(ids.length), 240_000)
  await eventually(async () => expect((await client.query('select from profiles where user_id = any($1)', [ids])).rowCount).toBe(expected)) // the line comes before the commit
})
