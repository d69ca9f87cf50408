import { fastify } from 'fastify'
import { producerOptions, withPlugin, type Which } from '../clients/plugin.js'
import { answerWith } from '../rounds.js'

// POST /user/register that awaits an acknowledged push (ours, stock), or answers at once (bare).

const body = {
  type: 'object',
  properties: { email: { type: 'string', format: 'email', maxLength: 254 }, username: { type: 'string', minLength: 3, maxLength: 32 } },
  required: ['email', 'username'],
  additionalProperties: false
}

answerWith<{ client: Which | 'bare', brokers: string, topic: string }>(async ({ client, brokers, topic }) => {
  const withKafka = client === 'bare' ? undefined : await withPlugin(client, producerOptions(client, brokers))
  const app = withKafka ?? fastify()
  app.post<{ Body: { email: string, username: string } }>('/user/register', { schema: { body } }, async ({ body: user }, reply) => {
    await withKafka?.kafka.push({ topic, key: user.username, payload: JSON.stringify(user) })
    reply.code(201)
    return { message: 'User successfully created!', user }
  })
  return { url: await app.listen({ port: 0, host: '127.0.0.1' }), pid: process.pid }
})
