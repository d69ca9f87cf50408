import { Agent, get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { checks, eventually, isReady, register, registered, startService, type Service } from './fixtures/services.js'
import { brokers, kill, openDatabase, prefix, useBroker } from './fixtures/harness.js'

// What a balancer and a rolling update rely on.

const checkEveryMs = 1000
const perSecond = 200

useBroker()

async function startUser (DATABASE_URL: string, settings: Record<string, string>) {
  const service = await startService('user', { KAFKA_BROKERS: brokers, KAFKA_PREFIX: prefix, DATABASE_URL, ...settings })
  onTestFinished(() => kill(service))
  await eventually(() => isReady(service))
  return service
}

/** A balancer: asks each service once a second whether it is ready, and gives new connections to those that were, in turn. */
async function startBalancer (services: Service[]) {
  let ready = [...services]
  let turn = 0
  const end = new AbortController()
  const checking = (async () => {
    for (; !end.signal.aborted; await delay(checkEveryMs, undefined, end).catch(() => {})) {
      const answers = await Promise.all(services.map(async service => ({ service, isReady: await isReady(service).then(() => true, () => false) })))
      ready = answers.filter(({ isReady }) => isReady).map(({ service }) => service)
    }
  })()
  const sockets = new Set<Socket>()
  const server = createServer(client => {
    const url = new URL(ready[turn++ % ready.length]?.url ?? 'http://127.0.0.1:1')
    const upstream = connect(Number(url.port), url.hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => { sockets.delete(socket); client.destroy(); upstream.destroy() })
    }
    client.pipe(upstream).pipe(client)
  }).listen(0, '127.0.0.1')
  await eventually(() => expect(server.listening).toBe(true))
  onTestFinished(async () => {
    end.abort()
    await checking
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, isServing: (service: Service) => ready.includes(service) }
}

/** Asks at a steady rate, on a new connection each time, until it is stopped. */
function keepAsking (url: string) {
  const answers: Record<string, number> = {}
  const count = (answer: unknown) => { answers[String(answer)] = (answers[String(answer)] ?? 0) + 1 }
  const underWay = new Set<Promise<void>>()
  const timer = setInterval(() => {
    const one = new Promise<void>(resolve => {
      get(url, { agent: false }, answer => answer.resume().on('end', () => { count(answer.statusCode); resolve() }))
        .on('error', error => { count(error.message); resolve() })
    })
    underWay.add(one)
    one.finally(() => underWay.delete(one))
  }, 1000 / perSecond)
  return {
    async stop () {
      clearInterval(timer)
      await Promise.all(underWay)
      return answers
    }
  }
}

test('services behind a balancer are restarted one after the other, and no request fails', async () => {
  const { url: database } = await openDatabase()
  const settings = { SHUTDOWN_DELAY_MS: '4000' } // the balancer asks at least twice meanwhile, also on a busy machine
  const services = [await startUser(database, settings), await startUser(database, settings)]
  const balancer = await startBalancer(services)
  const load = keepAsking(`${balancer.url}/docs/events.json`) // of the service alone: a busy database is another matter
  for (const [index, service] of services.entries()) {
    service.kill('SIGTERM')
    const again = await startUser(database, settings)
    services[index] = again
    expect(await service.ended).toBe(0)
    await eventually(() => expect(balancer.isServing(again)).toBe(true))
  }
  const answers = await load.stop()
  expect(answers).toEqual({ 200: expect.any(Number) })
  expect(answers['200']).toBeGreaterThan(50) // of 200 a second, on a machine that has the time
})

test('from the signal on a service is unready, serves on for SHUTDOWN_DELAY_MS or until a second signal, and ends with 0', async () => {
  const { url: database } = await openDatabase()
  const service = await startUser(database, { SHUTDOWN_DELAY_MS: '600000' })
  const { status } = await registered(service)
  service.kill('SIGTERM')
  await eventually(async () => expect(await checks(service)).toMatchObject({ status: 503, database: 'up' }))
  expect((await fetch(`${service.url}/health/live`)).status).toBe(200)
  const answer = await fetch(`${service.url}/`)
  expect([status, (await register(service)).status, answer.headers.get('connection')]).toEqual([201, 201, 'close'])
  service.kill('SIGTERM')
  expect(await service.ended).toBe(0)
})

test('an idle connection is kept for KEEP_ALIVE_TIMEOUT_MS, and no longer', async () => {
  const { url: database } = await openDatabase()
  const service = await startUser(database, { KEEP_ALIVE_TIMEOUT_MS: '2000' })
  const agent = new Agent({ keepAlive: true, maxSockets: 1, timeout: 0 })
  onTestFinished(() => agent.destroy())
  const ask = () => new Promise<{ port: number | undefined, keepAlive: string, socket: Socket }>((resolve, reject) => {
    get(`${service.url}/health/live`, { agent }, answer => {
      const { socket, headers } = answer
      const port = socket.localPort
      answer.resume().on('end', () => resolve({ port, keepAlive: String(headers['keep-alive']), socket }))
    }).on('error', reject)
  })
  const first = await ask()
  expect(await ask()).toMatchObject({ port: first.port, keepAlive: 'timeout=2' })
  const since = performance.now()
  await new Promise(resolve => first.socket.once('close', resolve))
  expect(performance.now() - since).toBeGreaterThan(1500)
})
