import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { randomUUID } from 'node:crypto'
import { createEvent } from '@pair/events'
import { userRegister } from '@pair/shared-topics'
import { Registry } from 'prom-client'
import { expect, onTestFinished, test, vi } from 'vitest'
import { publishing } from '../dist/publishing/publish.js'

/** An app whose broker acknowledges as told. */
async function start (push: (message: object) => Promise<void>) {
  const app = Fastify()
  app.decorate('kafkaName', (name: string) => `prefix.${name}`)
  app.decorate('kafka', { push } as never)
  await app.register(fp(async app => { app.decorate('metrics', { registry: new Registry() } as never) }, { name: 'metrics' }))
  await app.register(publishing, { topics: () => [userRegister] })
  onTestFinished(async () => await app.close())
  return app
}
const event = () => createEvent(userRegister, { id: randomUUID(), source: '/a-service', subject: 'key', time: new Date(), data: { id: randomUUID(), email: 'a@example.com', username: 'a-user' } })

test('publish sends the event under its key, and resolves with the acknowledgement', async () => {
  let acknowledge = () => {}
  const push = vi.fn(async () => await new Promise<void>(resolve => { acknowledge = resolve }))
  const app = await start(push)
  const [one, resolved] = [event(), vi.fn()]
  const published = app.publish(one).then(resolved)
  await vi.waitFor(() => expect(push).toHaveBeenCalledWith({ topic: 'prefix.user_register', key: 'key', payload: JSON.stringify(one) }))
  expect(resolved).not.toHaveBeenCalled()
  acknowledge()
  await published
})

test('publish rejects at its deadline, at once where the broker refuses, and for what is no event of a declared topic', async () => {
  const silent = await start(async () => await new Promise(() => {}))
  await expect(silent.publish(event(), { timeoutMs: 20 })).rejects.toMatchObject({ code: 'ERR_PUBLISH_TIMEOUT' })
  const refusal = Object.assign(new Error('no'), { codeName: 'ERR_TOPIC_AUTHORIZATION_FAILED' })
  const refusing = await start(async () => { throw refusal })
  await expect(refusing.publish(event())).rejects.toBe(refusal)
  await expect(refusing.publish({ ...event(), type: 'another' })).rejects.toThrow('not an event of a topic that this service sends')
})
