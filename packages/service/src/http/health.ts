import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Gauge } from 'prom-client'
import { Type, type TSchema } from 'typebox'
import { readOnDemand } from '../metrics/read-on-demand.js'

const members = {
  status: Type.Union([Type.Literal('ok'), Type.Literal('unavailable')]),
  checks: Type.Object({ database: Type.Optional(Type.String()), kafka: Type.String() }, { additionalProperties: Type.String() })
}
const checksUp = { database: 'up', kafka: 'up' }
const Health = Type.Object(members, { title: 'Health', description: 'Yes', examples: [{ status: 'ok', checks: checksUp }] })
const Unavailable = Type.Object(members, { title: 'Unavailable', description: 'No; checks has the reason', examples: [{ status: 'unavailable', checks: { ...checksUp, kafka: 'away' } }] })

/** The state of a service's Kafka clients. */
export interface HealthOptions {
  /** State of the Kafka clients, for `checks`: `up`, or what is wrong. */
  kafka: () => string
  /** Of a consumer: whether it has been a member of its group since the start. */
  wasMember?: () => boolean
  /** Whether events can be sent, or are stored until they can be. */
  canSend?: () => boolean
  /** Of a consumer: whether messages are being processed. */
  isConsuming?: () => boolean
}

const questions = {
  live: 'Does the process answer?',
  ready: 'May requests be sent here?',
  consuming: 'Are the topics being read?'
}

/**
 * - /health/live: the process answers, so a restart would mend nothing.
 * - /health/ready: requests may be sent here. A consumer becomes ready when it has joined its group once, so that a rolling
 *   update waits for that; a later outage of Kafka does not make it unready. The first signal to end does, and so does an
 *   outage of the database or of a dependency that the service has declared.
 * - /health/consuming, of a service with a consumer: its topics are being read.
 *
 * The answers come from memory, so they stay quick when a dependency hangs. The metric `health_check_status` exports the
 * last two.
 */
export const health = fp(async (app: FastifyInstance, { kafka, wasMember = () => true, canSend = () => true, isConsuming }: HealthOptions) => {
  app.get('/health/live', { logLevel: 'warn', schema: schema('live', { 200: Health }) }, async () => ({ status: 'ok', checks: checks() }))

  const hasDatabase = app.hasDecorator('database')
  const isUp = () => (!hasDatabase || app.database.isUp) && ![...app.dependencies.values()].some(({ isAway }) => isAway)
  const answers = new Map<string, () => boolean>()
  answer('ready', () => isUp() && wasMember() && canSend() && !app.isLeaving)
  if (isConsuming !== undefined) answer('consuming', () => isUp() && isConsuming())

  readOnDemand(app.metrics.registry, Gauge, {
    name: 'health_check_status',
    help: 'What /health/ready and, of a consumer, /health/consuming answer: 1 for 200, 0 for 503',
    labelNames: ['check'],
    read: () => [...answers].map(([check, isSo]) => [{ check }, Number(isSo())])
  })

  function answer (name: 'ready' | 'consuming', isSo: () => boolean) {
    answers.set(name, isSo)
    app.get(`/health/${name}`, { logLevel: 'warn', schema: schema(name, { 200: Health, 503: Unavailable }) }, async (_request, reply) => {
      const is = isSo()
      reply.code(is ? 200 : 503)
      return { status: is ? 'ok' : 'unavailable', checks: checks() }
    })
  }

  function checks () {
    return { ...(hasDatabase && { database: app.database.state }), kafka: kafka(), ...Object.fromEntries([...app.dependencies].map(([name, { isAway }]) => [name, isAway ? 'away' : 'up'])) }
  }
}, { name: 'health', dependencies: ['metrics', 'dependencies'] })

function schema (name: keyof typeof questions, response: Record<number, TSchema>) {
  return { tags: ['health'], operationId: `get${name.charAt(0).toUpperCase()}${name.slice(1)}`, summary: questions[name], response }
}
