import { requestConfig } from '@pair/events'
import { Type } from 'typebox'

/** A contract of requests and replies, as `shared-topics/` would hold it. */
export const priceRequest = /** @type {const} */ ({
  name: 'price_request',
  description: 'What does a product cost?',
  version: 1,
  partitions: 4,
  config: requestConfig,
  data: Type.Object({ productId: Type.String({ minLength: 1, maxLength: 100 }) }),
  reply: Type.Object({ cents: Type.Integer(), answeredBy: Type.Integer() })
})
