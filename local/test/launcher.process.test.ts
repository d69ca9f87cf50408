import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { miniature, polite } from './miniature.js'
import { gone, processTree, run, type Running } from './running.js'

async function freePorts () {
  const servers = await Promise.all([1, 2].map(() => listening(0)))
  const [user, profile] = servers.map(server => String((server.address() as AddressInfo).port))
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return { USER_PORT: user, PROFILE_PORT: profile }
}

function listening (port: number) {
  const server = createServer()
  return new Promise<typeof server>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}

/** The launcher in a miniature repository. */
async function launch (services: Parameters<typeof miniature>[0], env: NodeJS.ProcessEnv = {}) {
  const root = await miniature(services)
  const ports = await freePorts()
  const settings = { ...ports, KAFKA_BROKERS: '', USER_DATABASE_URL: '', PROFILE_DATABASE_URL: '', ...env }
  const again = (other: NodeJS.ProcessEnv = {}) => run([join(root, 'local', 'dist', 'start.js')], { cwd: root, env: { ...settings, ...other } })
  return { launcher: again(), again }
}

const READY = /Ready\./

async function expectEverythingGone (launcher: Running, code: number | string, end: () => void) {
  const tree = processTree(launcher.pid)
  end()
  expect(await launcher.ended).toBe(code)
  await gone(tree)
}

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s ends the services first, then the rest, with exit code 0', async signal => {
  const { launcher } = await launch({ user: polite, profile: polite })
  await launcher.said(READY)
  await expectEverythingGone(launcher, 0, () => launcher.kill(signal))
  expect(launcher.output().match(/drained/g)).toHaveLength(2)
})

test('a signal during the start leaves nothing behind', async () => {
  const { launcher } = await launch({ user: polite, profile: polite })
  await launcher.said(/Starting/)
  await expectEverythingGone(launcher, 0, () => launcher.kill('SIGTERM'))
})

test('a launcher killed with -9 takes everything with it, and what it leaves does not hinder the next start', async () => {
  const { launcher, again } = await launch({ user: polite, profile: polite })
  await launcher.said(READY)
  const tree = processTree(launcher.pid)
  expect(tree.length).toBeGreaterThanOrEqual(6)
  await expectEverythingGone(launcher, 'SIGKILL', () => launcher.kill('SIGKILL'))
  const second = again()
  await second.said(READY)
})

test('a launcher killed with -9 can be started again at once', async () => {
  const { launcher, again } = await launch({ user: polite, profile: polite })
  await launcher.said(READY)
  launcher.kill('SIGKILL')
  await again().said(READY)
})

test('a part that ends by itself is named with its exit code, and the rest ends, exit code 1', async () => {
  const { launcher } = await launch({ user: polite, profile: 'console.log("profile", process.pid); process.once("SIGUSR2", () => process.exit(7))' })
  const profile = Number(await launcher.said(/^profile (\d+)/m))
  await launcher.said(READY)
  await expectEverythingGone(launcher, 1, () => process.kill(profile, 'SIGUSR2'))
  expect(launcher.output()).toContain('the profile service ended by itself (exit code 7)')
})

test('started twice: one line, exit code 1, and the first goes on', async () => {
  const { launcher, again } = await launch({ user: polite, profile: polite })
  await launcher.said(READY)
  const second = again()
  expect(await second.ended).toBe(1)
  expect(second.output()).toMatch(/^port \d+ is taken: .*USER_PORT\n$/)
  await expectEverythingGone(launcher, 0, () => launcher.kill('SIGTERM'))
})

test('started twice on other ports: the data folder is named, exit code 1, nothing is left', async () => {
  const { launcher, again } = await launch({ user: polite, profile: polite })
  await launcher.said(READY)
  const second = again(await freePorts())
  await second.said(/Starting/)
  const tree = processTree(second.pid)
  expect(await second.ended).toBe(1)
  await gone(tree)
  expect(second.output()).toMatch(/^Starting .*\nthe data folder \S+ is in use by another process\n$/)
})

test('a port that is taken is named with the setting to change, exit code 1', async () => {
  const server = await listening(0)
  onTestFinished(() => { server.close() })
  const { launcher } = await launch({ user: polite, profile: polite }, { PROFILE_PORT: String((server.address() as AddressInfo).port) })
  expect(await launcher.ended).toBe(1)
  expect(launcher.output()).toMatch(/^port \d+ is taken: .*PROFILE_PORT\n$/)
})

test('a wrong setting is named in one line, exit code 1', async () => {
  const { launcher } = await launch({ user: polite, profile: polite }, { USER_PORT: 'http' })
  expect(await launcher.ended).toBe(1)
  expect(launcher.output()).toMatch(/^USER_PORT .*\n$/)
})

const stubborn = 'process.on("SIGTERM", () => console.log("not now"))'

test('a second signal ends by force what does not end', async () => {
  const { launcher } = await launch({ user: stubborn, profile: stubborn })
  await launcher.said(READY)
  const tree = processTree(launcher.pid)
  launcher.kill('SIGINT')
  await launcher.said(/not now/)
  launcher.kill('SIGINT')
  expect(await launcher.ended).toBe(1)
  await gone(tree)
  expect(launcher.output()).toContain('Ending by force after a second signal')
})

test('15 s after a signal what still runs is ended by force', async () => {
  const { launcher } = await launch({ user: stubborn, profile: polite })
  await launcher.said(READY)
  await expectEverythingGone(launcher, 1, () => launcher.kill('SIGTERM'))
  expect(launcher.output()).toContain('Ending by force after 15 s')
})
