import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { blog, blogExample } from '@pair/messages-shared-topics'
import { Type } from 'typebox'

/** The caller hears within 2 s. */
const timeoutMs = 1500

/** POST /api/messages: publishes its body as an event of blog. 202 means that Kafka has acknowledged it. */
export const messagesRoute: FastifyPluginAsyncTypebox = async (app) => {
  const createBlog = app.sends(blog)

  app.post('/api/messages', {
    bodyLimit: 64 * 1024, // of 10,000 characters, each may take 6 bytes
    config: { exampleBody: () => blogExample.data },
    schema: {
      operationId: 'postMessage',
      summary: 'Publishes a message',
      body: blog.data,
      response: { 202: Type.Object({ id: Type.String({ description: 'Id of the event' }) }, { description: 'Kafka has acknowledged the message' }) }
    }
  }, async (request, reply) => {
    const event = createBlog({ subject: request.body.receiver, data: request.body, traceparent: request.traceparent })
    await app.publish(event, { timeoutMs })
    reply.code(202)
    return { id: event.id }
  })
}
