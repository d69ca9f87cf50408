import { priceRequest } from '../../price-request.js'

/**
 * Asks what a product costs.
 *
 * @type {import('@pair/service').ServicePlugin}
 */
export default async function shopService (app) {
  const askPrice = app.asks(priceRequest)

  app.get('/price/:productId', async request => {
    const { productId } = /** @type {{ productId: string }} */ (request.params)
    const { timeoutMs } = /** @type {{ timeoutMs?: string }} */ (request.query)
    return await askPrice({ productId }, { timeoutMs: Number(timeoutMs ?? 5000), traceparent: request.traceparent })
  })

  app.get('/many/:count', async request => {
    const count = Number(/** @type {{ count: string }} */ (request.params).count)
    const { timeoutMs } = /** @type {{ timeoutMs?: string }} */ (request.query)
    const asks = Array.from({ length: count }, async (_, index) => await askPrice({ productId: String(index) }, { timeoutMs: Number(timeoutMs ?? 30_000) }))
    const replies = await Promise.allSettled(asks)
    return {
      right: replies.filter((reply, index) => reply.status === 'fulfilled' && reply.value.cents === index).length,
      answeredBy: [...new Set(replies.flatMap(reply => reply.status === 'fulfilled' ? [reply.value.answeredBy] : []))],
      errors: [...new Set(replies.flatMap(reply => reply.status === 'rejected' ? [reply.reason.code] : []))]
    }
  })
}
