import { appendFile, cp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { freePort, query } from '@pair/dev'
import { expect, onTestFinished, test } from 'vitest'
import { miniature, polite } from './miniature.js'
import { gone, processTree, run, type Running } from './running.js'

const freePorts = async () => ({ USER_PORT: String(await freePort()), PROFILE_PORT: String(await freePort()) })

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
  const again = (other: NodeJS.ProcessEnv = {}, ...args: string[]) => run([join(root, 'packages', 'dev', 'dist', 'start.js'), ...args], { cwd: root, env: { ...settings, ...other } })
  return { root, launcher: again(), again }
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

test('a part that exits unexpectedly is named with its exit code, and everything is stopped, exit code 1', async () => {
  const { launcher } = await launch({ user: polite, profile: 'console.log("profile", process.pid); process.once("SIGUSR2", () => process.exit(7))' })
  const profile = Number(await launcher.said(/^profile (\d+)/m))
  await launcher.said(READY)
  await expectEverythingGone(launcher, 1, () => process.kill(profile, 'SIGUSR2'))
  expect(launcher.output()).toContain('the profile service exited unexpectedly (exit code 7)')
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

test('a second signal kills services that do not end', async () => {
  const { launcher } = await launch({ user: stubborn, profile: stubborn })
  await launcher.said(READY)
  const tree = processTree(launcher.pid)
  launcher.kill('SIGINT')
  await launcher.said(/not now/)
  launcher.kill('SIGINT')
  expect(await launcher.ended).toBe(1)
  await gone(tree)
  expect(launcher.output()).toContain('Forced shutdown after a second signal')
})

test('services that still run 15 s after a signal are killed', async () => {
  const { launcher } = await launch({ user: stubborn, profile: polite })
  await launcher.said(READY)
  await expectEverythingGone(launcher, 1, () => launcher.kill('SIGTERM'))
  expect(launcher.output()).toContain('Forced shutdown after 15 s')
})

const told = 'console.log("told", process.env.PORT, process.env.DATABASE_URL ?? "no database", process.env.KAFKA_BROKERS)'

test('every folder with a manifest is started: on the port of <NAME>_PORT, else its own, with a database of its own where it has one', async () => {
  const ports = { USER_PORT: String(await freePort()), MAIL_SENDER_PORT: String(await freePort()), STATELESS_PORT: String(await freePort()) }
  const { launcher } = await launch({ user: polite, 'mail-sender': `${told}; ${polite}`, stateless: `${told}; ${polite}` }, ports)
  await launcher.said(READY)
  expect(launcher.output()).toMatch(new RegExp(`told ${ports.MAIL_SENDER_PORT} postgres://\\S+/mail_sender_service 127`))
  expect(launcher.output()).toMatch(new RegExp(`told ${ports.STATELESS_PORT} no database 127`))
  expect(launcher.output()).toContain(`Try localhost:${ports.USER_PORT}.`)
  expect(launcher.output()).toContain(`http://localhost:${ports.STATELESS_PORT} (stateless)`)
})

test('a service that is added later gets its database in an existing data folder', async () => {
  const { root, launcher, again } = await launch({ user: polite })
  await launcher.said(READY)
  await expectEverythingGone(launcher, 0, () => launcher.kill('SIGTERM'))
  const later = join(root, 'microservices', 'later')
  await cp(join(root, 'microservices', 'user'), later, { recursive: true })
  await writeFile(join(later, 'package.json'), '{ "type": "module", "service": { "port": 3009, "database": true } }')
  await appendFile(join(later, 'dist', 'server.js'), told)
  const second = again({ LATER_PORT: String(await freePort()) })
  const url = await second.said(/told \d+ (\S+)/)
  await second.said(READY)
  expect(await query(url, 'SELECT current_database() AS name')).toEqual([{ name: 'later_service' }])
})

test('a folder that is not built, a manifest without a port, a port named twice: one line each, exit code 1', async () => {
  const { root, launcher, again } = await launch({ user: polite, profile: polite }, { USER_PORT: 'none' })
  expect(await launcher.ended).toBe(1)
  const manifest = join(root, 'microservices', 'profile', 'package.json')
  const answer = async (text: string) => {
    await writeFile(manifest, text)
    const attempt = again({ USER_PORT: '' })
    expect(await attempt.ended).toBe(1)
    return attempt.output()
  }
  expect(await answer('{ "service": { "port": "80" } }')).toBe('microservices/profile/package.json needs "service": { "port": 1 to 65535 }\n')
  expect(await answer('{ "service": { "port": 3000 } }')).toBe('microservices/profile/package.json and microservices/user/package.json name the same port (3000)\n')
  await rm(join(root, 'microservices', 'profile', 'dist'), { recursive: true })
  expect(await answer('{ "service": { "port": 3001 } }')).toBe('microservices/profile is not built: is it among the "references" of tsconfig.json?\n')
})

test('another system is started by its folder, with a data folder of its own', async () => {
  const { root, launcher, again } = await launch({ user: polite }, { USER_PORT: 'none' })
  expect(await launcher.ended).toBe(1)
  await cp(join(root, 'microservices'), join(root, 'examples', 'music', 'microservices'), { recursive: true })
  const music = again({ USER_PORT: String(await freePort()) }, 'examples/music')
  await music.said(READY)
  expect(music.output()).toContain('examples/music/.data/postgres')
  const none = again({}, 'examples/none')
  expect(await none.ended).toBe(1)
  expect(none.output()).toMatch(/^there is no service in examples\/none\/microservices: .*\n$/)
})
