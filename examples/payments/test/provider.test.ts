import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { collectGarbage } from '../../../test/fixtures/garbage.js'
import { charge } from '../microservices/payments/dist/provider.js'

test('a provider whose answer has no end is given up after 3 s, also when the garbage collector runs', async () => {
  const server = createServer((_request, response) => {
    response.writeHead(201, { 'content-type': 'application/json' })
    const timer = setInterval(() => response.write(' '), 200)
    response.once('close', () => clearInterval(timer))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => { server.closeAllConnections(); server.close() })
  collectGarbage()
  const payment = { id: 'a payment', amount: 1, currency: 'EUR' }
  await expect(charge(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, payment, new AbortController().signal)).rejects.toThrow('no answer within 3000 ms')
})
