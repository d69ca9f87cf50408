import { Agent } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { eventually, profileOf, register, registered as registeredUser } from './fixtures/services.js'
import { expectOneEffectEach, memoryOf, startPair, useBroker } from './fixtures/harness.js'
import { send, sendRaw, type Answer } from './fuzz/answers.js'
import { anyBody, taken } from './fuzz/bodies.js'
import { anyRequest } from './fuzz/requests.js'
import { count, randomOf, settings } from './fuzz/seed.js'

const lanes = 32
/** As many as the service has connections to its database. */
const connections = 10
const documented = [200, 201, 400, 404, 408, 409, 413, 415, 417, 431]

useBroker()

/** What is wrong with an answer. One to HEAD has no body. */
function complaint ({ status, type, body }: Answer, isHead: boolean): string | undefined {
  if (isHead && body === '') return undefined
  if (!documented.includes(status)) return `is not documented: ${body}`
  if (status < 400) return undefined
  const problem = JSON.parse(body)
  const errors: unknown[] = problem.errors ?? []
  const isProblem = type.startsWith('application/problem+json') && problem.status === status && /^urn:problem:[a-z-]+$/.test(problem.type) && typeof problem.title === 'string'
  return isProblem && errors.every(error => Object.keys(error as object).join() === 'field,message') ? undefined : `is no problem: ${type} ${body}`
}

test(`${count} requests, most of them broken, are all answered, none of them as our fault, and who was told to be registered is (${settings})`, { timeout: 600_000 + count * 30 }, async () => {
  const { user, users, profile, client } = await startPair()
  const agent = new Agent({ keepAlive: true, maxSockets: lanes })
  onTestFinished(() => agent.destroy())
  // Connections that are slow to open would be answered with 503, rightly.
  await eventually(async () => {
    const answers = await Promise.all(Array.from({ length: connections }, () => register(user)))
    expect(answers.map(({ status }) => status)).toEqual(Array(connections).fill(201))
  })
  await registeredUser(user, taken)
  const [complaints, registered, statuses] = [[] as string[], [] as string[], {} as Record<string, number>]

  async function one (n: number) {
    const random = randomOf(n)
    const raw = random.within([0, 5]) === 0 ? anyRequest(random, n) : undefined
    const body = raw ? undefined : anyBody(random, n)
    const complain = (what: string) => complaints.push(`request ${n}: ${what}: ${String(raw?.bytes ?? body?.body).slice(0, 200)}`)
    const ask = async () => raw ? await sendRaw(user.url, raw) : body ? [await send(user.url, agent, body)] : []
    let answers = await ask()
    // A machine that is too busy for its database, which is what 503 says, and not the request's fault: that gets it each time.
    const isBusy = answers.some(({ status }) => status === 503)
    for (let again = 0; again < 50 && answers.some(({ status }) => status === 503); again++) answers = await ask()
    if (raw?.answers !== undefined && answers.length !== raw.answers) complain(`${answers.length} of ${raw.answers} answers`)
    if (answers.length === 0) statuses['none'] = (statuses['none'] ?? 0) + 1
    for (const answer of answers) {
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1
      const wrong = complaint(answer, raw?.isHead === true)
      if (wrong) complain(`${answer.status} ${wrong}`)
      if (!isBusy && body?.status !== undefined && answer.status !== body.status) complain(`${answer.status} instead of ${body.status}`)
      if (answer.status === 201) registered.push(JSON.parse(answer.body).user.id)
    }
  }

  let next = 0
  const started = performance.now()
  await Promise.all(Array.from({ length: lanes }, async () => {
    for (let n = next++; n < count; n = next++) await one(n).catch(error => complaints.push(`request ${n}: ${error.message}`))
  }))
  const tookMs = performance.now() - started
  const memory = memoryOf(user)
  console.log(`${settings}: ${(count / tookMs * 1000).toFixed()} requests/s, ${memory.toFixed()} MB, answers ${JSON.stringify(statuses)}`)

  expect(complaints.length, complaints.slice(0, 20).join('\n')).toBe(0)
  expect(memory).toBeLessThan(500)
  expect(user.lines.filter(({ level }) => Number(level) >= 50)).toEqual([])
  expect(user.errors).toEqual([])
  await profileOf(profile, (await registeredUser(user)).body.user.id)
  const { rows } = await users.client.query('select id from users where email like $1', ['fuzz-%'])
  const stored = new Set(rows.map(({ id }) => id))
  expect(stored).toEqual(new Set(registered.filter(id => stored.has(id))))
  await expectOneEffectEach(client, registered)
  user.kill('SIGTERM')
  expect(await user.ended).toBe(0)
})
