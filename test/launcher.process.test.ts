import { randomUUID } from 'node:crypto'
import { expect, test, vi } from 'vitest'
import { gone, processTree, run, temporary, type Running } from '../packages/dev/test/running.js'
import { freePort } from '@pair/dev'

// The README's first command, with the real services.

async function launch (DATA_DIR: string): Promise<Running & { userPort: number, profilePort: number }> {
  const [userPort, profilePort] = [await freePort(), await freePort()]
  const env = {
    USER_PORT: String(userPort), PROFILE_PORT: String(profilePort), DATA_DIR, KAFKA_BROKERS: '', USER_DATABASE_URL: '', PROFILE_DATABASE_URL: ''
  }
  return { ...run(['start'], { command: 'npm', env }), userPort, profilePort }
}

async function register (port: number): Promise<{ id: string, username: string }> {
  const username = `user-${randomUUID().slice(0, 8)}`
  const answer = await fetch(`http://127.0.0.1:${port}/user/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: `${username}@example.com`, username })
  })
  expect(answer.status).toBe(201)
  return ((await answer.json()) as { user: { id: string, username: string } }).user
}

const profile = async (port: number, id: string) => (await fetch(`http://127.0.0.1:${port}/profile/${id}`)).json()

test('npm start says when it is ready, a user becomes a profile, SIGTERM to npm ends all of it with exit code 0', async () => {
  const pair = await launch(await temporary())
  await pair.said(/Ready\./)
  const user = await register(pair.userPort)
  await vi.waitFor(async () => {
    expect(await profile(pair.profilePort, user.id)).toMatchObject({ userId: user.id, username: user.username })
  }, { timeout: 60_000, interval: 20 })
  const tree = processTree(pair.pid)
  pair.kill('SIGTERM')
  expect(await pair.ended).toBe(0)
  await gone(tree)
})

test('users and profiles survive a kill -9 of the launcher, which leaves no process behind', async () => {
  const dataDir = await temporary()
  const first = await launch(dataDir)
  await first.said(/Ready\./)
  const user = await register(first.userPort)
  const stored = { userId: user.id, username: user.username }
  await vi.waitFor(async () => expect(await profile(first.profilePort, user.id)).toMatchObject(stored), { timeout: 60_000 })
  const tree = processTree(first.pid)
  // npm itself comes first, and the script that it runs becomes the launcher.
  process.kill(tree[1] ?? 0, 'SIGKILL')
  await gone(tree)

  const second = await launch(dataDir)
  await second.said(/Ready\./)
  expect(await profile(second.profilePort, user.id)).toMatchObject(stored)
  const again = await fetch(`http://127.0.0.1:${second.userPort}/user/${user.id}`)
  expect(again.status).toBe(200)
})
