import { randomInt, randomUUID } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { isHealthy, query } from '@pair/dev'
import { Events } from './events.js'
import { plan } from './faults.js'
import { Load, World } from './load.js'
import { countEffects, judge } from './oracle.js'
import { openBroker, openDatabases } from './servers.js'
import { Instance } from './service.js'
import { Tally } from './tally.js'
import { Wire } from './wire.js'

// npm run chaos -- --seconds 180 --seed 7: a random mix of faults against the real processes under a light load, and then,
// when all has settled, whether the promises held. With the same seed the same faults come at the same times.

/** Then what has not settled is a violation. The relay leaves rows that a dead process has claimed alone for 60 s. */
const settleLimitMs = 180_000
const startLimitMs = 180_000

const { seconds, seed, perSecond } = read()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))

const folder = await mkdtemp(join(tmpdir(), `chaos-${seed}-`))
const domain = `${randomUUID()}.example.com`
const violations: string[] = []
const tally = new Tally()
const world = new World()

const broker = await openBroker()
const prefix = broker.settings['KAFKA_PREFIX'] ?? ''
const { users, profiles: profileData, close } = await openDatabases()
const wire = new Wire(broker.kafka, prefix)
await wire.open()

const instance = (name: string, service: 'user' | 'profile', DATABASE_URL: string) => new Instance({
  name, service, folder, settings: { ...broker.settings, DATABASE_URL }, onLine: service === 'profile' ? tally.add : () => {}, onViolation: text => violations.push(text)
})
const user = instance('user-1', 'user', users.url)
const profiles = [1, 2, 3].map(number => instance(`profile-${number}`, 'profile', profileData.url))
const permanent = [user, ...profiles.slice(0, 1)]
const events = new Events(broker.kafka, domain, prefix)
const load = new Load({ urlOf: () => user.url, domain, perSecond, world })

console.log(`chaos: seed ${seed}, ${seconds} s, broker ${broker.description}, logs in ${folder}`)
await startPermanent()
await query(profileData.direct, countEffects)

const running = load.run()
const faults = plan(seed, seconds, { user, profiles, broker, users, profileData, events, world })
await happen()
load.stop()
await running
await startPermanent()
const stoppedAt = performance.now()
const open = await settle()
const settledMs = performance.now() - stoppedAt
for (const one of [user, ...profiles]) await one.end('SIGTERM')
// Once more, now that nobody works on anything: what held just in passing does not count.
if (open.length === 0) open.push(...await verdict())
await events.close()
await wire.close()
await close()
report([...open, ...violations])

async function happen () {
  const started = performance.now()
  const underWay = faults.map(async ({ atMs, forMs, what, run }) => {
    await delay(atMs)
    console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${what}${forMs > 0 ? `, ${forMs} ms` : ''}`)
    await run().catch(error => violations.push(`${what}: ${error.message}`))
  })
  await Promise.all([...underWay, delay(seconds * 1000)])
}

/** What a fault has left down, which is a violation already, is needed for the rest. Resolves when they are ready. */
async function startPermanent () {
  for (const one of permanent) await one.start()
  for (const deadline = performance.now() + startLimitMs; ;) {
    const healthy = await Promise.all(permanent.map(async one => one.url !== undefined && await isHealthy(one.url, one === user ? 'ready' : 'consuming')))
    if (healthy.every(Boolean)) return
    if (performance.now() > deadline) return violations.push(`not ready after ${startLimitMs / 1000} s: ${permanent.filter((_one, at) => !healthy[at]).map(({ name }) => name).join(', ')}`)
    await delay(100)
  }
}

/** Asks until everything holds or the time is over. */
async function settle () {
  for (;;) {
    const open = await verdict()
    if (open.length === 0 || performance.now() - stoppedAt > settleLimitMs) return open
    await delay(500)
  }
}

async function verdict () {
  return await judge({ domain, users, profiles: profileData, wire, load, events }).catch(error => [`no verdict: ${error.message}`])
}

function report (violations: string[]) {
  const copies = [...wire.letters.values()].reduce((sum, count) => sum + count - 1, 0)
  const figures = {
    registrations: `${load.sent} (${load.registered.size} answered 201, ${load.refused} answered 503, the others without an answer)`,
    faults: faults.length,
    'redeliveries seen': tally.redelivered,
    'duplicates suppressed': tally.suppressed,
    'events put several times': events.users.size,
    'dead letters': `${wire.letters.size} of ${events.bad.size} bad events, and ${copies} further copies`,
    'events whose sending failed': events.unknown,
    'longest register latency while the broker was away': `${Math.round(load.longestWithoutBrokerMs)} ms`,
    'time to settle': `${(settledMs / 1000).toFixed(1)} s`
  }
  for (const [name, figure] of Object.entries(figures)) console.log(`${name}: ${figure}`)
  for (const violation of violations) console.error(`VIOLATION: ${violation}`)
  console.log(violations.length === 0 ? `The promises held (seed ${seed}).` : `${violations.length} violations (seed ${seed}); logs in ${folder}`)
  process.exit(violations.length === 0 ? 0 : 1)
}

function read () {
  try {
    const { values } = parseArgs({ options: { seconds: { type: 'string', default: '180' }, seed: { type: 'string' }, rate: { type: 'string', default: '20' } } })
    const given = { seconds: Number(values.seconds), seed: Number(values.seed ?? randomInt(1_000_000)), perSecond: Number(values.rate) }
    if (Object.values(given).every(Number.isFinite)) return given
  } catch {}
  console.error('npm run chaos -- [--seconds 180] [--seed <number>] [--rate <registrations a second, 20>]')
  process.exit(2)
}
