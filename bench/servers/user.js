import { answerWith } from '../rounds.js'
import { producerOptions, withPlugin } from '../clients/plugin.js'

// POST /user/register that awaits an acknowledged push (ours, stock), or answers at once (bare).

const body = {
  type: 'object',
  properties: { email: { type: 'string', format: 'email', maxLength: 254 }, username: { type: 'string', minLength: 3, maxLength: 32 } },
  required: ['email', 'username'],
  additionalProperties: false
}

answerWith(async ({ client, brokers, topic }) => {
  const app = client === 'bare'
    ? (await import('fastify')).fastify()
    : await withPlugin(client, producerOptions(client, brokers))
  app.post('/user/register', { schema: { body } }, async (request, reply) => {
    const user = /** @type {{ email: string, username: string }} */ (request.body)
    if (client !== 'bare') await /** @type {any} */ (app).kafka.push({ topic, key: user.username, payload: JSON.stringify(user) })
    reply.code(201)
    return { message: 'User successfully created!', user }
  })
  return { url: await app.listen({ port: 0, host: '127.0.0.1' }), pid: process.pid }
})
