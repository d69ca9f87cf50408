import { expect, onTestFinished, test } from 'vitest'
import { noPgbouncer, startPgbouncer } from './fixtures/pgbouncer.js'
import { newDatabase } from './fixtures/new-database.js'
import { eventually, isConsuming, isReady, register, registered } from './fixtures/services.js'
import { connect, newEvent, put, said, start, useBroker } from './fixtures/harness.js'

useBroker()

test.for([
  ['in transaction mode', ['pool_mode = transaction']],
  ['in transaction mode that ignores what it does not know', ['pool_mode = transaction', 'ignore_startup_parameters = statement_timeout']],
  ['in session mode', ['pool_mode = session', 'default_pool_size = 60']]
] as const)(`two replicas of both services work through a PgBouncer %s, migrations included${noPgbouncer ? ` (${noPgbouncer})` : ''}`, async ([, settings], { skip }) => {
  skip(noPgbouncer !== undefined, noPgbouncer)
  const bouncer = await startPgbouncer([...settings])
  onTestFinished(() => bouncer.close())
  const [users, profiles] = [await newDatabase(), await newDatabase()]
  onTestFinished(async () => { await users.close(); await profiles.close() })

  const [user, otherUser, profile, otherProfile] = await Promise.all([
    start('user', bouncer.through(users.url)), start('user', bouncer.through(users.url)),
    start('profile', bouncer.through(profiles.url)), start('profile', bouncer.through(profiles.url))
  ])
  await eventually(() => Promise.all([isReady(user), isReady(otherUser), isConsuming(profile), isConsuming(otherProfile)]))

  // On a busy machine a statement may take too long.
  const away = () => [user, otherUser, profile, otherProfile].flatMap(({ lines }) => lines)
    .filter(({ msg, ...about }) => msg === 'the database: away, trying again' && !/time ?out|timed out/i.test(JSON.stringify(about)))
  const answers = await Promise.all(Array.from({ length: 120 }, (_, count) => registered(count % 2 ? user : otherUser)))
  expect(said([user, otherUser], 'the request failed')).toBe(0)
  const events = Array.from({ length: 80 }, () => newEvent())
  await put(...events.map(event => ({ value: event })))

  const client = await connect(profiles.url)
  const ids = [...answers.map(({ body }) => body.user.id), ...events.map(({ data }) => data.id)]
  await eventually(async () => expect((await client.query('select from profiles where user_id = any($1)', [ids])).rowCount).toBe(200))
  expect(said([profile, otherProfile], 'message dead-lettered')).toBe(0)
  expect(away()).toEqual([])

  // A statement ends on the server, too, when nobody waits for it any more; and what a service sets is its own.
  const { rows } = await (await connect(bouncer.through(profiles.url))).query('show statement_timeout')
  expect(rows).toEqual([{ statement_timeout: '0' }])
  const blocker = await connect(users.url)
  await blocker.query('begin; lock table users in access exclusive mode')
  expect((await register(user)).status).toBe(503)
  await eventually(async () => expect((await client.query("select from pg_stat_activity where wait_event_type = 'Lock' and query like '%into users%' and query_start < now() - interval '1.5 s'")).rowCount).toBe(0))
  await blocker.query('rollback')
  await registered(user)
})
