import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Type } from 'typebox'

const Health = Type.Object({
  status: Type.Union([Type.Literal('ok'), Type.Literal('unavailable')]),
  checks: Type.Object({ database: Type.String(), kafka: Type.String() })
}, { title: 'Health' })

/** What a service knows of Kafka: how it stands, and whether it is of use without more of it. */
export interface KafkaCheck { state: string, isReady: boolean }

/**
 * /health/live: the process answers, so restarting it would mend nothing. /health/ready: send it work.
 * Both answer from what is known already, so they stay quick when a dependency hangs.
 */
export const health = fp(async (app: FastifyInstance, options: { kafka: () => KafkaCheck }) => {
  const schema = (codes: number[]) => ({ tags: ['health'], response: Object.fromEntries(codes.map(code => [code, Health])) })

  app.get('/health/live', { logLevel: 'warn', schema: schema([200]) }, async () => ({ status: 'ok', checks: checks() }))

  app.get('/health/ready', { logLevel: 'warn', schema: schema([200, 503]) }, async (request, reply) => {
    const isReady = app.database.isUp && options.kafka().isReady
    reply.code(isReady ? 200 : 503)
    return { status: isReady ? 'ok' : 'unavailable', checks: checks() }
  })

  function checks () {
    return { database: app.database.isUp ? 'up' : 'away', kafka: options.kafka().state }
  }
}, { name: 'health', dependencies: ['database'] })
