import { requestConfig, type RequestTopic } from '@pair/events'
import { Type } from 'typebox'
import { newName } from '../../../test/fixtures/records.js'

/** A contract of requests and replies, under a name of its own. */
export function newPriceRequest () {
  return {
    name: newName('price'),
    description: 'What does a product cost?',
    version: 1,
    partitions: 4,
    config: requestConfig,
    data: Type.Object({ productId: Type.String({ minLength: 1 }) }),
    reply: Type.Object({ cents: Type.Integer() })
  } as const satisfies RequestTopic
}

export type PriceRequest = ReturnType<typeof newPriceRequest>
