import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { collectGarbage } from '../../../test/fixtures/garbage.js'
import { charge } from '../microservices/payments/dist/provider.js'

/** A provider that answers so. @returns its URL */
async function startProvider (answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => { server.closeAllConnections(); server.close() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const payment = { id: 'a payment', amount: 1, currency: 'EUR' }
const signal = new AbortController().signal

test('a provider whose answer has no end is given up after 3 s, also when the garbage collector runs', async () => {
  const url = await startProvider((_request, response) => {
    response.writeHead(201, { 'content-type': 'application/json' })
    const timer = setInterval(() => response.write(' '), 200)
    response.once('close', () => clearInterval(timer))
  })
  collectGarbage()
  await expect(charge(url, payment, signal)).rejects.toThrow('no answer within 3000 ms')
})

test('an answer that is neither charged nor refused is named, whatever its body', async () => {
  const url = await startProvider((_request, response) => response.writeHead(502).end('<html>Bad Gateway</html>'))
  await expect(charge(url, payment, signal)).rejects.toThrow('the provider answers 502')
})
