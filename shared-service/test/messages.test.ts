import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { messages, metrics } from 'shared-service'
import { userRegister, userRegisterExample } from 'shared-topics'
import { expect, test, vi } from 'vitest'

test('a service that closes gives up what waits for another attempt, uncommitted, before its consumer is closed', async () => {
  const app = Fastify()
  const steps: string[] = []
  await app.register(fp(async app => {
    app.decorate('kafka', { on () {} } as never)
    app.addHook('onClose', async () => { steps.push('consumer closed') })
  }, { name: '@fastify/kafka' }))
  await app.register(metrics)
  await app.register(messages, { brokers: '127.0.0.1:1', group: 'profile-service', onFatal () {} })

  const handle = vi.fn(async () => { throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' }) })
  const listener = app.messages.follow({ topic: userRegister, handle })
  const message = { topic: userRegister.name, partition: 0, offset: 0, key: null, headers: [], timestamp: 0, value: Buffer.from(JSON.stringify(userRegisterExample)) }
  listener({ ...message, release: () => { steps.push('released') } }, () => { steps.push('committed') })
  await vi.waitFor(() => expect(handle).toHaveBeenCalled())

  await app.close()
  expect(steps).toEqual(['released', 'consumer closed'])
})
