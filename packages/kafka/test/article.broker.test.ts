import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { TopicReader } from '@pair/kafka'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { newName } from '../../../test/fixtures/records.js'

// A producer and a consumer from an article about version 3 of the plugin, with librdkafka's property names and no added settings.
// Broker, topic and ports are replaced by the test's.

const root = fileURLToPath(new URL('../../..', import.meta.url))
const deadline = { timeout: 120_000, interval: 20 }

const user = `
import Fastify from 'fastify'
import kafka from '@fastify/kafka'

const fastify = Fastify({
    logger: true,
})

fastify.register(kafka, {
    producer: {
        'metadata.broker.list': 'kafka:9092',
        'fetch.wait.max.ms': 10,
        'fetch.error.backoff.ms': 50,
        'client.id': 'user-service',
        'dr_cb': true
    },
});

fastify.post('/user/register', async (request, reply) => {
    fastify.kafka.push({
        topic: "user_register",
        payload: JSON.stringify({
            id: Date.now(),
            email: "user@example.com",
            username: "imbatman"
        }),
        key: 'user_register_key'
    })

    reply.send({
        message: "User successfully created!"
    })
})

fastify.listen({ port: 3000, host: "0.0.0.0" }, (err, address) => {
    if (err) throw err
    console.log("User service: Start Up! " + address)
})`

const profile = `
import crypto from "node:crypto"
import Fastify from 'fastify'
import kafka from '@fastify/kafka'

const fastify = Fastify({
    logger: true,
})

const groupId = crypto.randomBytes(20).toString('hex')

fastify.register(kafka, {
    consumer: {
        'metadata.broker.list': 'kafka:9092',
        'fetch.wait.max.ms': 10,
        'fetch.error.backoff.ms': 50,
        'topic.metadata.refresh.interval.ms': 1000,
        'group.id': groupId,
    },
}).after((err) => {
    if (err) throw err

    fastify.kafka
        .subscribe(["user_register"])
        .on("user_register", (msg, commit) => {
            const registeredUser = JSON.parse(msg.value.toString());

            console.log(registeredUser)
            commit()
        })

    fastify.kafka.consume()
})

fastify.listen({ port: 3001, host: "0.0.0.0" }, (err, address) => {
    if (err) throw err
    console.log("Profile service: Start Up! " + address)
})`

/** Starts a service. Returns the ids that it prints, and its address. */
async function start (source: string, topic: string) {
  const changed = source.replace('kafka:9092', inject('kafkaBrokers')).replaceAll('user_register"', `${topic}"`).replace(/port: \d+, host: "[\d.]+"/, 'port: 0, host: "127.0.0.1"')
  const child = spawn(process.execPath, ['--input-type=module', '-e', changed], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
  const end = async () => { child.kill('SIGKILL'); await exited }
  onTestFinished(end)
  const ids: number[] = []
  let [url, warnings] = ['', '']
  child.stderr.setEncoding('utf8').on('data', text => { warnings += text })
  createInterface(child.stdout).on('line', line => {
    const [, id] = /^(?:\{| )? id: (\d+),/.exec(line) ?? []
    if (id !== undefined) ids.push(Number(id))
    url ||= /Start Up! (\S+)$/.exec(line)?.[1] ?? ''
  })
  await vi.waitFor(() => expect(url).not.toBe(''), deadline)
  /** Waits for the warning that the subscribed topic is missing. */
  const missesTopic = () => vi.waitFor(() => expect(warnings).toContain('KafkaWarning: kafka: the topic does not exist yet'), deadline)
  return { ids, url, end, missesTopic }
}

/** Ids of the records on the topic. */
async function sent (topic: string): Promise<number[]> {
  const reader = new TopicReader({ bootstrapBrokers: [inject('kafkaBrokers')] })
  const ids: number[] = []
  for await (const { value } of reader.read(topic)) ids.push(JSON.parse(String(value)).id)
  await reader.close()
  return ids
}

test('the two services of the article print each user once and in order, none from before a restart, and lose none that was sent while they ran', async () => {
  const topic = newName('user_register')
  const users = await start(user, topic)
  const register = async () => {
    const { status } = await fetch(`${users.url}/user/register`, { method: 'POST' })
    expect(status).toBe(200)
  }

  // The first push creates the topic.
  const first = await start(profile, topic)
  await first.missesTopic()
  for (let count = 0; count < 20; count++) await register()
  await vi.waitFor(() => expect(first.ids).toHaveLength(20), deadline)
  expect(first.ids).toEqual(await sent(topic))

  await first.end()
  const second = await start(profile, topic)
  // Users sent before it has subscribed are skipped; none is skipped after its first one.
  await vi.waitFor(async () => { await register(); expect(second.ids.length).toBeGreaterThan(0) }, { timeout: 120_000, interval: 200 })
  for (let count = 0; count < 20; count++) await register()
  const all = await vi.waitFor(async () => {
    const all = await sent(topic)
    expect(second.ids.at(-1)).toBe(all.at(-1))
    return all
  }, deadline)
  expect(second.ids).toEqual(all.slice(-second.ids.length))
  expect(second.ids.length).toBeGreaterThan(20)
  expect(all.length - second.ids.length).toBeGreaterThanOrEqual(20)
})
