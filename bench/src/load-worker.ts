import autocannon from 'autocannon'
import { randomUUID } from 'node:crypto'
import { answerWith } from './rounds.js'

// Registers a new user with each request.

answerWith<{ url: string, connections: number, seconds: number }>(async ({ url, connections, seconds }) => {
  const run = randomUUID().slice(0, 8)
  let number = 0
  const result = await autocannon({
    url: `${url}/user/register`,
    connections,
    duration: seconds,
    requests: [{
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      setupRequest: (request: object) => {
        const username = `u-${run}-${number++}`
        return { ...request, body: `{"email":"${username}@example.com","username":"${username}"}` }
      }
    }]
  })
  return { rate: result.requests.average, p50Ms: result.latency.p50, p99Ms: result.latency.p99, good: result['2xx'], bad: result.non2xx + result.errors }
})
