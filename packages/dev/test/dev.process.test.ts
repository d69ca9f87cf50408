import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '@pair/dev'
import { expect, test, vi } from 'vitest'
import { cloneRepository } from './clone.js'
import { gone, processTree, run } from './running.js'

const deadline = { timeout: 120_000, interval: 50 }

test('npm run dev restarts the services that a change concerns, keeps broker, database and the last version that compiled, and ends like npm start', async () => {
  const root = await cloneRepository()
  const ports = { USER_PORT: String(await freePort()), PROFILE_PORT: String(await freePort()) }
  const launcher = run(['scripts/setup.js', 'packages/dev/dist/dev.js'], { cwd: root, env: { ...ports, KAFKA_BROKERS: '', USER_DATABASE_URL: '', PROFILE_DATABASE_URL: '' } })
  const profileOf = async (id: string) => (await fetch(`http://127.0.0.1:${ports.PROFILE_PORT}/profile/${id}`)).status
  /** Registers a user, and waits for the profile. */
  const register = async (username: string): Promise<string> => {
    const id = await vi.waitFor(async () => {
      const answer = await fetch(`http://127.0.0.1:${ports.USER_PORT}/user/register`, {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email: `${username}@example.com`, username })
      })
      expect(answer.status).toBe(201)
      return ((await answer.json()) as { user: { id: string } }).user.id
    }, deadline)
    await vi.waitFor(async () => expect(await profileOf(id)).toBe(200), deadline)
    return id
  }
  const times = (text: string) => launcher.output().split(text).length - 1
  const [user, profile] = ['user', 'profile'].map(name => join(root, 'microservices', name, 'src', 'app.ts')) as [string, string]
  /** Changes a file so that it prints a text when it is loaded. Replaces it, as `git checkout` and some editors do. */
  const say = async (path: string, text: string) => {
    await writeFile(`${path}.new`, `${await readFile(path, 'utf8')}\nprocess.stderr.write('${text}\\n')\n`)
    await rename(`${path}.new`, path)
    await launcher.said(new RegExp(text))
  }

  const debuggerPort = await launcher.said(/Debuggers: 127\.0\.0\.1:(\d+) \(user\), 127\.0\.0\.1:\d+ \(profile\)/)
  expect(await (await fetch(`http://127.0.0.1:${debuggerPort}/json/version`)).json()).toMatchObject({ Browser: expect.stringContaining('node.js') })
  const first = await register('first')

  // A service alone.
  for (const text of ['the user service has changed', 'the user service has changed again']) await say(user, text)
  expect(times('Starting the user service again')).toBe(2)
  expect(times('Starting the profile service again')).toBe(0)
  await register('second')

  // A source that does not compile changes nothing.
  const good = await readFile(user, 'utf8')
  await writeFile(user, `${good}\nconst wrong: number = 'text'\n`)
  await launcher.said(/microservices\/user\/src\/app\.ts.*error.*TS2322/s)
  await launcher.said(/It does not compile: the services keep running the last version that did/)
  await register('third')
  expect(times('Starting the user service again')).toBe(2)
  await writeFile(user, good)

  // A package: all services that use it.
  await say(join(root, 'packages', 'service', 'src', 'limits.ts'), 'the package has changed')
  await vi.waitFor(() => expect(times('the package has changed')).toBe(2), deadline)
  await register('fourth')

  // A service that fails is reported with its TypeScript line, and started at the next change.
  const whole = await readFile(profile, 'utf8')
  await writeFile(profile, `${whole}\nthrow new Error('broken')\n`)
  await launcher.said(/the profile service exited unexpectedly \(exit code 1\): the next change starts it again/)
  expect(launcher.output()).toMatch(/microservices\/profile\/src\/app\.ts:\d+/)
  await writeFile(profile, whole)
  await register('fifth')

  // A migration.
  await writeFile(join(root, 'microservices', 'profile', 'migrations', '0100_note.sql'), 'create table note (id int);\n')
  await launcher.said(/"migration":"0100_note","msg":"the database: migration applied"/)
  expect(await vi.waitFor(async () => await profileOf(first), deadline)).toBe(200)

  const tree = processTree(launcher.pid)
  launcher.kill('SIGINT')
  expect(await launcher.ended).toBe(0)
  await gone(tree)
})
