import { randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'
import { percentiles, steadily } from './load.js'
import { answerWith } from './rounds.js'

// Registers users at a steady rate, independent of the responses, and requests the profiles of a sample.

const oneIn = 20
/** Warm-up: both services have just started and compile their code. */
const warmUpS = 5

answerWith<{ user: string, profile: string, perSecond: number, seconds: number }>(async ({ user, profile, perSecond, seconds }) => {
  const run = randomUUID().slice(0, 8)
  const visibleMs: number[] = []
  let failed = 0
  const register = async (number: number) => {
    const started = performance.now()
    const username = `u-${run}-${number}`
    const { status, body } = await call(`${user}/user/register`, 'POST', `{"email":"${username}@example.com","username":"${username}"}`)
    if (status !== 201) failed++
    if (status !== 201 || number % oneIn !== 0) return
    const { id } = JSON.parse(body).user
    for (const deadline = started + 10_000; (await call(`${profile}/profile/${id}`, 'GET')).status !== 200;) {
      if (performance.now() > deadline) { failed++; return }
    }
    if (number > warmUpS * perSecond) visibleMs.push(performance.now() - started)
  }
  const rate = await steadily(perSecond, perSecond * (seconds + warmUpS), register)
  if (failed > 0) return { void: `${failed} registrations failed, or had no profile after 10 s` }
  return { rate, ...percentiles(visibleMs) }
})

const agent = new Agent({ keepAlive: true, maxSockets: 100 })

function call (url: string, method: string, body?: string): Promise<{ status: number | undefined, body: string }> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    request(url, { method, agent, headers }, answer => {
      let text = ''
      answer.setEncoding('utf8').on('data', chunk => { text += chunk }).on('end', () => resolve({ status: answer.statusCode, body: text }))
    }).on('error', reject).end(body)
  })
}
