import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { freePort } from '@pair/dev'
import { expect, inject, test } from 'vitest'
import { run, temporary } from '../packages/dev/test/running.js'
import { openDatabase, useBroker } from './fixtures/harness.js'
import { give, newScramUser, noSecuredKafka } from './fixtures/secured-kafka.js'
import { eventually, registered } from './fixtures/services.js'

// What is started from the command line, on a Kafka with TLS and passwords, by the settings of the services.

useBroker()

const named = (name: string) => noSecuredKafka ? `${name} (${noSecuredKafka})` : name
const secured = test.skipIf(noSecuredKafka)
const noPeers = !existsSync(fileURLToPath(new URL('../bench/node_modules', import.meta.url))) && 'needs the peers that npm run bench installs'

/** The settings of somebody who may do everything. */
async function newOperator () {
  const { name, settings } = await newScramUser()
  await give(...(['topic', 'group'] as const).map(on => ({ user: name, operation: 'all' as const, on, name: '*' })))
  return { ...settings, KAFKA_PREFIX: `${randomUUID()}.`, KAFKA_CONTROL: '' } // the broker is not taken away from other files
}

secured(named('npm start uses a secured Kafka by settings, and embeds no broker'), async () => {
  const settings = await newOperator()
  const [user, profile] = [await openDatabase(), await openDatabase()]
  const [userPort, profilePort] = [await freePort(), await freePort()]
  const pair = run(['packages/dev/dist/start.js'], {
    env: { ...settings, USER_PORT: String(userPort), PROFILE_PORT: String(profilePort), USER_DATABASE_URL: user.url, PROFILE_DATABASE_URL: profile.url, DATA_DIR: await temporary() }
  })
  await pair.said(/Ready\. Register/)
  const { body } = await registered({ url: `http://127.0.0.1:${userPort}` } as Parameters<typeof registered>[0])
  await eventually(async () => expect((await fetch(`http://127.0.0.1:${profilePort}/profile/${body.user.id}`)).status).toBe(200))
  pair.kill('SIGTERM')
  expect(await pair.ended).toBe(0)
})

secured(named('npm run chaos uses a secured Kafka by settings'), async () => {
  const settings = await newOperator()
  const chaos = run(['test/chaos/dist/main.js', '--seconds', '3', '--seed', '7'], { env: { ...settings, DATABASE_URL: inject('databaseUrl') } })
  await chaos.said(/The promises held/)
  expect(await chaos.ended).toBe(0)
})

test.skipIf(noSecuredKafka || noPeers)(`npm run bench uses a secured Kafka by settings, and leaves peers out that do not${noPeers ? ` (${noPeers})` : ''}`, async () => {
  const settings = await newOperator()
  const bench = run(['bench/dist/main.js', 'push', '--quick', '--only', '16 in flight', '--json'], { env: { ...settings, DATABASE_URL: inject('databaseUrl') } })
  expect(await bench.ended).toBe(0)
  const { rows } = JSON.parse(bench.output().split('\n').find(line => line.startsWith('{')) ?? '{}') as { rows: Array<{ name: string, rate: number, void?: string }> }
  const ours = rows.find(({ name }) => name.startsWith('this project'))
  expect(ours).not.toHaveProperty('void')
  expect(ours?.rate).toBeGreaterThan(0)
  expect(rows.find(({ name }) => name === 'kafkajs')).toMatchObject({ void: 'is compared in plaintext only, not with sasl_ssl' })
})
