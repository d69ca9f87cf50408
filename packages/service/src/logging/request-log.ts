import type { FastifyReply, FastifyRequest } from 'fastify'
import { LogController } from 'fastify'

/** Fastify's request log with one line for each request at `info`, when it is completed. The line for its arrival is at `debug`. */
export class RequestLog extends LogController {
  override incomingRequest (request: FastifyRequest): void {
    request.log.debug({ req: request }, 'incoming request')
  }

  override requestCompleted (error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply): void {
    const about = { req: request, res: reply, responseTime: reply.elapsedTime }
    if (error) reply.log.error({ ...about, err: error }, 'request errored')
    else reply.log.info(about, 'request completed')
  }
}
