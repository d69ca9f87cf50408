import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type, type Static } from 'typebox'

const Trigger = Type.Object({
  ErrorCode: Type.Integer({ minimum: 400, maximum: 599, description: 'The answer' }),
  Probability: Type.Integer({ minimum: 0, maximum: 100, description: 'In per cent' })
}, { additionalProperties: false })

const Triggers = Type.Object({ Sender: Trigger, Recipient: Trigger }, { description: 'The refusals from now on' })

const none: Static<typeof Triggers> = { Sender: { ErrorCode: 451, Probability: 0 }, Recipient: { ErrorCode: 451, Probability: 0 } }

/** Refusals that a developer asks for. */
export class Chaos {
  triggers = none

  /** The code with which this command is refused; undefined if it is not. */
  codeFor (command: keyof typeof none): number | undefined {
    const { ErrorCode, Probability } = this.triggers[command]
    return Math.random() * 100 < Probability ? ErrorCode : undefined
  }
}

/** GET and PUT /api/v1/chaos, as Mailpit has them: what is left out is not refused. */
export const chaosRoute: FastifyPluginAsyncTypebox<{ chaos: Chaos }> = async (app, { chaos }) => {
  app.get('/api/v1/chaos', { schema: { operationId: 'getChaos', summary: 'Returns what is refused', response: { 200: Triggers } } }, async () => chaos.triggers)

  app.put('/api/v1/chaos', {
    config: { exampleBody: () => ({ Recipient: { ErrorCode: 451, Probability: 100 } }) },
    schema: {
      operationId: 'setChaos',
      summary: 'Refuses senders or recipients from now on',
      body: Type.Partial(Triggers, { additionalProperties: false }),
      response: { 200: Triggers }
    }
  }, async ({ body }) => {
    chaos.triggers = { ...none, ...body }
    return chaos.triggers
  })
}
