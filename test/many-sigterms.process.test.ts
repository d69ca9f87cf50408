import { randomInt, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EMBEDDED_BROKER_SETTINGS } from '@pair/dev'
import { expect, onTestFinished, test } from 'vitest'
import { Load, World } from './chaos/src/load.js'
import { countEffects, judge } from './chaos/src/oracle.js'
import { seeded } from './chaos/src/random.js'
import { Instance } from './chaos/src/service.js'
import { Wire } from './chaos/src/wire.js'
import { eventually } from './fixtures/services.js'
import { brokers, isEmbedded, openDatabase, prefix, useBroker } from './fixtures/harness.js'

const seed = Number(process.env.SIGTERM_SEED ?? randomInt(1_000_000))
const count = Number(process.env.SIGTERM_COUNT ?? 10)
const settings = `SIGTERM_SEED=${seed} SIGTERM_COUNT=${count}`
const graceMs = 10_000

useBroker()

test(`after each of ${count} SIGTERMs under load a service ends with 0 within its grace time, and every user has one profile (${settings})`, { timeout: 600_000 + count * 30_000 }, async () => {
  const [users, profiles] = [await openDatabase(), await openDatabase()]
  const [domain, folder, violations] = [`${randomUUID()}.example.com`, await mkdtemp(join(tmpdir(), `sigterm-${seed}-`)), [] as string[]]
  const wire = new Wire({ 'metadata.broker.list': brokers }, prefix)
  await wire.open()
  onTestFinished(() => wire.close())
  const created = { profiles: 0 }
  const instance = (service: 'user' | 'profile', DATABASE_URL: string) => {
    const settings = { KAFKA_BROKERS: brokers, KAFKA_PREFIX: prefix, ...isEmbedded ? EMBEDDED_BROKER_SETTINGS : { KAFKA_SESSION_TIMEOUT_MS: '6000' }, DATABASE_URL }
    const one = new Instance({
      name: service, service, folder, settings, onLine: ({ msg }) => { if (msg === 'profile created') created.profiles++ }, onViolation: text => violations.push(text)
    })
    onTestFinished(() => one.end('SIGKILL'))
    return one
  }
  const [user, profile] = [instance('user', users.url), instance('profile', profiles.url)]
  await Promise.all([user.start(), profile.start()])
  await eventually(async () => expect((await fetch(`${profile.url}/health/ready`)).status).toBe(200))
  await profiles.client.query(countEffects)
  const load = new Load({ urlOf: () => user.url, domain, perSecond: 200, world: new World() })
  const running = load.run()

  const random = seeded(seed)
  const tookMs: number[] = []
  for (let n = 0; n < count; n++) {
    const one = n % 2 === 0 ? user : profile
    // A random moment: as soon as it listens, or after so much work. The profile service has to be a member first.
    const [registered, made, more] = [load.registered.size, created.profiles, random.pick([0, random.within([1, 20]), random.within([1, 200])])]
    await eventually(() => expect(one === user ? load.registered.size - registered : created.profiles - made).toBeGreaterThanOrEqual(more))
    const started = performance.now()
    await one.end('SIGTERM')
    tookMs.push(performance.now() - started)
    await one.start()
  }
  load.stop()
  await running
  const sorted = tookMs.toSorted((one, other) => one - other)
  const of = (share: number) => `${sorted[Math.floor((count - 1) * share)]?.toFixed()} ms`
  console.log(`${settings}: to the end median ${of(0.5)}, 95 % ${of(0.95)}, longest ${of(1)}; ${load.sent} registrations, ${load.registered.size} answered 201, ${load.refused} answered 503`)

  expect(violations, `logs are in ${folder}`).toEqual([])
  expect(sorted.at(-1)).toBeLessThan(graceMs)
  const at = ({ url }: { url: string }) => ({ url, direct: url })
  await eventually(async () => expect(await judge({
    domain, users: at(users), profiles: at(profiles), wire, load, events: { bad: new Set<string>(), users: new Set<string>(), unsure: new Set<string>(), unknown: 0 }
  })).toEqual([]))
  await rm(folder, { recursive: true })
})
