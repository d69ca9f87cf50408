import { randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'
import { answerWith } from './rounds.js'

// Registers at a steady rate, whatever the answers do, and looks for the profiles of some.

const oneIn = 20
/** Both services have just started, and compile their code. */
const warmUpS = 5

answerWith(async ({ user, profile, perSecond, seconds }) => {
  const run = randomUUID().slice(0, 8)
  /** @type {number[]} */
  const visible = []
  /** @type {Array<Promise<void>>} */
  const underWay = []
  let failed = 0
  const register = async (/** @type {number} */ number) => {
    const started = performance.now()
    const username = `u-${run}-${number}`
    const { status, body } = await call(`${user}/user/register`, 'POST', `{"email":"${username}@example.com","username":"${username}"}`)
    if (status !== 201) failed++
    if (status !== 201 || number % oneIn !== 0) return
    const { id } = JSON.parse(body).user
    for (const deadline = started + 10_000; (await call(`${profile}/profile/${id}`, 'GET')).status !== 200;) {
      if (performance.now() > deadline) { failed++; return }
    }
    if (number > warmUpS * perSecond) visible.push(performance.now() - started)
  }
  const started = performance.now()
  const total = perSecond * (seconds + warmUpS)
  await new Promise(resolve => {
    let number = 0
    const timer = setInterval(() => {
      for (const due = Math.min(total, (performance.now() - started) / 1000 * perSecond); number < due; number++) underWay.push(register(number))
      if (number < total) return
      clearInterval(timer)
      resolve(undefined)
    }, 1)
  })
  const rate = total / (performance.now() - started) * 1000
  await Promise.all(underWay)
  if (failed > 0) return { void: `${failed} registrations failed, or had no profile after 10 s` }
  visible.sort((one, other) => one - other)
  return { rate, p50Ms: visible[Math.floor(visible.length * 0.5)], p99Ms: visible[Math.floor(visible.length * 0.99)] }
})

const agent = new Agent({ keepAlive: true, maxSockets: 100 })

/**
 * @param {string} url
 * @param {string} method
 * @param {string} [body]
 * @returns {Promise<{ status: number | undefined, body: string }>}
 */
function call (url, method, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    request(url, { method, agent, headers }, answer => {
      let text = ''
      answer.setEncoding('utf8').on('data', chunk => { text += chunk }).on('end', () => resolve({ status: answer.statusCode, body: text }))
    }).on('error', reject).end(body)
  })
}
