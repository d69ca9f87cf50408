import { randomUUID } from 'node:crypto'
import { query } from '@pair/dev'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { Events } from './chaos/src/events.js'
import { Load, World } from './chaos/src/load.js'
import { countEffects, judge } from './chaos/src/oracle.js'
import { Wire } from './chaos/src/wire.js'
import { brokers, compose, containers, crash, database, docker, isHealthy, readmeCalls, sh, urls, type Name } from './fixtures/compose.js'
import { eventually } from './fixtures/services.js'

// docker-compose.yml as it stands, on the ports that the README names.

const settleMs = 180_000
const names: Name[] = ['kafka', 'postgres', 'user', 'profile']

beforeAll(async () => {
  await compose('down', '--volumes', '--remove-orphans')
  await compose('up', '--detach', '--build')
  for (const url of Object.values(urls)) await eventually(async () => expect((await fetch(`${url}/health/ready`)).status).toBe(200), 120_000)
  await query(database('profile'), countEffects)
}, 2_400_000)

afterAll(async () => {
  await compose('down', '--volumes', '--remove-orphans')
})

/** Runs `faults` under a light load with bad and doubled events, and resolves when every promise is seen to hold. */
async function underLoad (faults: (between: () => Promise<void>) => Promise<void>) {
  const domain = `${randomUUID()}.example.com`
  const wire = new Wire({ 'metadata.broker.list': brokers })
  await wire.open()
  onTestFinished(() => wire.close())
  const events = new Events({ 'metadata.broker.list': brokers }, domain)
  onTestFinished(() => events.close())
  const load = new Load({ urlOf: () => urls.user, domain, perSecond: 20, world: new World() })
  const running = load.run()
  const answered = async (further: number) => {
    const before = load.registered.size
    await eventually(() => expect(load.registered.size).toBeGreaterThan(before + further))
  }
  await faults(async () => {
    await Promise.all([events.putBad(), events.putTwice(true), answered(20)])
  })
  load.stop()
  await running
  const [users, profiles] = [{ direct: database('user') }, { direct: database('profile') }]
  await eventually(async () => {
    expect(await judge({ domain, users, profiles, wire, load, events })).toEqual([])
  }, settleMs)
  expect(wire.letters.size).toBeGreaterThan(0)
}

test('the profile observability is one that this Compose understands', async () => {
  expect((await compose('--profile', 'observability', 'config', '--services')).split('\n')).toEqual(expect.arrayContaining(['grafana', 'prometheus', 'kafka-ui', 'profile']))
})

test('the calls of the README are answered as it prints them', async () => {
  const calls = readmeCalls()
  expect(calls.length).toBe(2)
  let id = ''
  for (const { shell, answer } of calls) {
    const printed = answer.user?.id ?? answer.userId
    await eventually(async () => {
      const got = JSON.parse(await sh(printed && id ? shell.replace(printed, id) : shell))
      id ||= got.user?.id
      const { createdAt } = got.user ?? got
      const expected = JSON.parse(JSON.stringify(answer).replaceAll(printed, id), (key, value) => key === 'createdAt' ? createdAt : value)
      expect(got).toEqual(expected)
    })
  }
})

test.each(['user', 'profile', 'profile-port'])('%s runs as a user that is not root, without capabilities, on a file system that it cannot write', async name => {
  const id = await compose('ps', '-q', name)
  const [{ Config, HostConfig }] = JSON.parse(await docker('inspect', id))
  expect(Config.User).toBe('1000:1000')
  expect(HostConfig).toMatchObject({ ReadonlyRootfs: true, CapDrop: ['ALL'], Privileged: false, SecurityOpt: ['no-new-privileges:true'] })
  const said = await docker('exec', id, 'sh', '-c', 'id -u; touch /app/here 2>&1; grep CapEff /proc/self/status')
  expect(said).toMatch(/^1000\n.*Read-only file system\nCapEff:\s0+$/)
})

test('each container is killed (-9) and restarted in turn under load, and comes back by itself with nothing lost or doubled', { timeout: 900_000 }, async () => {
  await underLoad(async between => {
    for (const name of names) {
      const [id = ''] = await containers(name)
      await between()
      await crash(id)
      await between()
      await compose('restart', name)
      await eventually(() => isHealthy(id))
    }
    await between()
  })
})

describe('with --scale profile=3', () => {
  const created = async (id: string) => (await docker('logs', id)).split('"profile created"').length - 1

  test('all three work, one of them is killed (-9) and another restarted under load, and nothing is lost or doubled', { timeout: 600_000 }, async () => {
    await compose('up', '--detach', '--no-recreate', '--scale', 'profile=3')
    const ids = await containers('profile')
    expect(ids.length).toBe(3)
    for (const id of ids) await eventually(() => isHealthy(id), 120_000)
    await underLoad(async between => {
      const before = await Promise.all(ids.map(created))
      await eventually(async () => {
        await between()
        for (const [index, id] of ids.entries()) expect(await created(id)).toBeGreaterThan(Number(before[index]))
      })
      const [one = '', other = ''] = ids
      await crash(one)
      await between()
      await docker('restart', other)
      await eventually(() => isHealthy(other))
      await between()
    })
  })

  test('the address of the README answers for all of them', async () => {
    for (let count = 0; count < 20; count++) expect((await fetch(`${urls.profile}/health/ready`)).status).toBe(200)
  })
})
