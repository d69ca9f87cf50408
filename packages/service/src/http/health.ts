import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Type } from 'typebox'

const Health = Type.Object({
  status: Type.Union([Type.Literal('ok'), Type.Literal('unavailable')]),
  checks: Type.Object({ database: Type.Optional(Type.String()), kafka: Type.String() })
}, { title: 'Health' })

/** What a service knows of Kafka. */
export interface HealthOptions {
  /** How it stands with Kafka, for `checks`: `up`, or what is wrong. */
  kafka: () => string
  /** A consumer: whether it has been a member of its group since the start. */
  wasMember?: () => boolean
  /** Whether what requests lead to can be sent, or is kept until it can. */
  canSend?: () => boolean
  /** A consumer: whether messages are worked on now. */
  isConsuming?: () => boolean
}

/**
 * - /health/live: the process answers, so restarting it would mend nothing.
 * - /health/ready: requests may be sent here. A consumer is ready when it has joined its group once, so that a rolling
 *   update waits for that; an outage of Kafka later takes no GET away. Unready from the first signal to end on.
 * - /health/consuming, where a service has a consumer: its topics are worked on.
 *
 * All answer from what is known already, so they stay quick when a dependency hangs.
 */
export const health = fp(async (app: FastifyInstance, { kafka, wasMember = () => true, canSend = () => true, isConsuming }: HealthOptions) => {
  const schema = (codes: number[]) => ({ tags: ['health'], response: Object.fromEntries(codes.map(code => [code, Health])) })

  app.get('/health/live', { logLevel: 'warn', schema: schema([200]) }, async () => ({ status: 'ok', checks: checks() }))

  const hasDatabase = app.hasDecorator('database')
  const isUp = () => !hasDatabase || app.database.isUp
  answer('ready', () => isUp() && wasMember() && canSend() && !app.isLeaving)
  if (isConsuming !== undefined) answer('consuming', () => isUp() && isConsuming())

  function answer (name: string, isSo: () => boolean) {
    app.get(`/health/${name}`, { logLevel: 'warn', schema: schema([200, 503]) }, async (_request, reply) => {
      const is = isSo()
      reply.code(is ? 200 : 503)
      return { status: is ? 'ok' : 'unavailable', checks: checks() }
    })
  }

  function checks () {
    return { ...(hasDatabase && { database: app.database.state }), kafka: kafka() }
  }
}, { name: 'health' })
